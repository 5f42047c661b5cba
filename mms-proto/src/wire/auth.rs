//! What an HTTP server or proxy offers to prove who we are.
//!
//! ```text
//!   offers = offer *( "," offer )             ; over one line or several
//!   offer  = scheme [ 1*SP ( token68 / param *( "," param ) ) ]
//!   param  = name "=" ( word / '"' words '"' )
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::pragma::split_outside_quotes;

/// Most offers that are looked at. Real servers make four: Negotiate, NTLM, Digest and Basic.
const OFFERS: usize = 16;

/// The offers in the values of `WWW-Authenticate` or `Proxy-Authenticate`: a scheme, and what came with it, which is the
/// decoded token (NTLM, Negotiate) or the parameters as they stand there.
///
/// Spec: RFC 9110 sections 11.3 and 11.4, RFC 4559 section 4 (tokens in base64)
pub fn offers<'a>(values: impl Iterator<Item = &'a str>) -> Vec<(String, Bytes)> {
    let mut offers: Vec<(String, String)> = Vec::new();
    for item in values.flat_map(|value| split_outside_quotes(value, ',')) {
        let item = item.trim();
        if let Some((scheme, rest)) = begins(item) {
            if offers.len() >= OFFERS {
                break;
            }
            offers.push((scheme.to_owned(), rest.to_owned()));
        } else if let Some((_, parameters)) = offers.last_mut().filter(|_| !item.is_empty()) {
            parameters.push_str(", ");
            parameters.push_str(item);
        }
    }
    offers.into_iter().map(|(scheme, rest)| (scheme, token(rest))).collect()
}

/// Whether an answer, a scheme and what belongs to it, is good for the connection alone on which it is given. All schemes are taken for
/// such, but for the two that say who we are anew in each request.
///
/// Spec: RFC 4559 section 6 (NTLM and Negotiate), RFC 7617 section 2, RFC 7616 section 3.6
pub fn is_of_connection(answer: &str) -> bool {
    let scheme = answer.split(' ').next().unwrap_or_default();
    !["Basic", "Digest"].iter().any(|name| scheme.eq_ignore_ascii_case(name))
}

/// The scheme and what follows it, if an offer begins here and not one more parameter.
fn begins(item: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = item.split_once([' ', '\t']).unwrap_or((item, ""));
    let rest = rest.trim_start();
    let named = !scheme.is_empty() && !scheme.contains(['=', '"']);
    (named && !rest.starts_with('=')).then_some((scheme, rest))
}

fn token(rest: String) -> Bytes {
    STANDARD.decode(&rest).map_or_else(|_| rest.into(), Bytes::from)
}
