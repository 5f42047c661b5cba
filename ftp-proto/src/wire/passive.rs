//! Where the server listens for the data connection.

use nom::IResult;
use nom::Parser;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::character::complete::{digit1, space0};
use nom::multi::separated_list1;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;

use super::value::{ValueError, ValueRule, decimal, expect_code};
use super::{Class, Reply};

/// The address in the answer to `PASV`. Its port is never 0.
///
/// ```text
/// pasv-ok     = "227" SP text host-port text
/// host-port   = number "," number "," number "," number "," number "," number
/// ```
///
/// The numbers may be anywhere in the text, with or without parentheses, with spaces around the commas. The host is what
/// the server said: whoever connects to it without comparing it with the control connection's peer can be sent anywhere.
///
/// # Errors
///
/// Not a 227; not six numbers in a row, or seven; a number above 255; port 0.
///
/// Spec: RFC 959 section 5.3.2, RFC 1123 section 4.1.2.6
pub fn pasv(reply: &Reply) -> Result<SocketAddrV4, ValueError> {
    expect_code(reply, 227)?;
    for (index, line) in reply.lines.iter().enumerate() {
        let mut rest: &[u8] = line;
        while let Some(start) = rest.iter().position(u8::is_ascii_digit) {
            let numbers_at = rest.get(start..).unwrap_or_default();
            let Ok((after, numbers)) = numbers(numbers_at) else { break };
            if numbers.len() >= 6 {
                let offset = line.len().saturating_sub(numbers_at.len());
                return host_port(&numbers).map_err(|rule| ValueError::new(reply, index, offset, rule));
            }
            rest = after;
        }
    }
    Err(ValueError::new(reply, 0, 0, ValueRule::Missing))
}

fn numbers(input: &[u8]) -> IResult<&[u8], Vec<&[u8]>> {
    separated_list1((space0, tag(","), space0), digit1).parse(input)
}

fn host_port(numbers: &[&[u8]]) -> Result<SocketAddrV4, ValueRule> {
    let &[h1, h2, h3, h4, p1, p2] = numbers else { return Err(ValueRule::TooManyNumbers) };
    let octet = |digits| decimal::<u8>(digits).ok_or(ValueRule::OctetOutOfRange);
    let host = Ipv4Addr::new(octet(h1)?, octet(h2)?, octet(h3)?, octet(h4)?);
    match u16::from_be_bytes([octet(p1)?, octet(p2)?]) {
        0 => Err(ValueRule::PortOutOfRange),
        port => Ok(SocketAddrV4::new(host, port)),
    }
}

/// The port in the answer to `EPSV`; the host is the control connection's peer.
///
/// ```text
/// epsv-ok = "229" SP text "(" d [net-prt] d [net-addr] d tcp-port d ")"      ; d = any of %d33-126, four times the same
/// ```
///
/// What stands in the first two fields is passed over. The `)` may be missing.
///
/// # Errors
///
/// Not a 229, no such fields, or a port that is not 1 to 65535.
///
/// Spec: RFC 2428 section 3
pub fn epsv(reply: &Reply) -> Result<NonZeroU16, ValueError> {
    expect_code(reply, 229)?;
    for (index, line) in reply.lines.iter().enumerate() {
        let mut rest: &[u8] = line;
        while let Some(open) = rest.iter().position(|&byte| byte == b'(') {
            rest = rest.get(open..).and_then(|rest| rest.strip_prefix(b"(")).unwrap_or_default();
            if let Ok((_, port)) = fields(rest) {
                let offset = line.len().saturating_sub(rest.len());
                let port = decimal::<u16>(port).and_then(NonZeroU16::new);
                return port.ok_or(ValueError::new(reply, index, offset, ValueRule::PortOutOfRange));
            }
        }
    }
    Err(ValueError::new(reply, 0, 0, ValueRule::Missing))
}

/// The digits of the port.
fn fields(input: &[u8]) -> IResult<&[u8], &[u8]> {
    /// Longest net-prt or net-addr; an IPv6 address with a zone fits. Keeps a line of opening parentheses linear.
    const FIELD: usize = 64;
    let (rest, delimiter) = take_while_m_n(1, 1, |byte: u8| byte.is_ascii_graphic()).parse(input)?;
    let field = || take_while_m_n(0, FIELD, |byte: u8| !delimiter.contains(&byte));
    let (rest, _) = (field(), tag(delimiter), field(), tag(delimiter)).parse(rest)?;
    let (rest, port) = digit1(rest)?;
    let (rest, _) = tag(delimiter)(rest)?;
    Ok((rest, port))
}

/// Address families that a server can use, by the numbers of 522.
///
/// Spec: RFC 2428 section 2 (AF numbers of RFC 1700)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protocols {
    /// 1: IPv4.
    pub ipv4: bool,
    /// 2: IPv6.
    pub ipv6: bool,
}

/// The protocols named in a 522, the refusal of `EPSV` for this address family. Both are false if there are none.
///
/// ```text
/// epsv-no = "522" SP text "(" net-prt *( "," net-prt ) ")"
/// ```
///
/// Spec: RFC 2428 section 2
pub fn epsv_protocols(reply: &Reply) -> Protocols {
    let mut found = Protocols::default();
    if reply.class() != Class::PermanentNegative {
        return found;
    }
    let list = reply.last().iter().rposition(|&byte| byte == b'(').and_then(|open| reply.last().get(open..));
    for number in list.unwrap_or_default().split(|byte| !byte.is_ascii_digit()) {
        found.ipv4 |= number == b"1";
        found.ipv6 |= number == b"2";
    }
    found
}
