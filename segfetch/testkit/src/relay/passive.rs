//! Replies that announce a passive port.

use std::net::SocketAddr;

/// The port of `227 ... (h1,h2,h3,h4,p1,p2)` or `229 ... (|||port|)`; the address in a 227 is not looked at.
pub(super) fn passive_port(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line).ok()?;
    let inside = line.split_once('(')?.1.split_once(')')?.0;
    match line.get(..4)? {
        "227 " => {
            let numbers: Vec<u8> = inside.split(',').map_while(|number| number.parse().ok()).collect();
            let [_, _, _, _, high, low] = numbers[..] else { return None };
            Some(u16::from_be_bytes([high, low]))
        }
        "229 " => inside.strip_prefix("|||")?.strip_suffix('|')?.parse().ok(),
        _ => None,
    }
}

/// The reply that announces a port of ours; `short` is a 227, where the address allows one.
pub(super) fn announcement(short: bool, ours: SocketAddr) -> String {
    match ours {
        SocketAddr::V4(v4) if short => {
            let [a, b, c, d] = v4.ip().octets();
            let [high, low] = v4.port().to_be_bytes();
            format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low}).\r\n")
        }
        _ => format!("229 Entering Extended Passive Mode (|||{}|)\r\n", ours.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_replies_227_and_229_announce_a_port_and_the_address_is_not_believed() {
        assert_eq!(passive_port(b"227 Entering Passive Mode (10,0,0,1,98,19).\r\n"), Some(98 * 256 + 19));
        assert_eq!(passive_port(b"229 Extended Passive mode OK (|||65535|)\r\n"), Some(65535));
        for line in [
            "227 (1,2,3,4,5)",
            "227 (1,2,3,4,256,1)",
            "229 (|||70000|)",
            "200 (|||7|)",
            "229-(|||7|)",
            "229",
            "227 1,2,3,4,5,6",
        ] {
            assert_eq!(passive_port(line.as_bytes()), None, "{line}");
        }
        assert_eq!(
            announcement(true, "127.0.0.1:258".parse().unwrap()),
            "227 Entering Passive Mode (127,0,0,1,1,2).\r\n"
        );
        assert_eq!(
            announcement(false, "[::1]:258".parse().unwrap()),
            "229 Entering Extended Passive Mode (|||258|)\r\n"
        );
    }
}
