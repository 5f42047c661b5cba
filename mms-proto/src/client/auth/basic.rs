//! Basic: name and password as they are, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `basic-credentials`: without the name of the scheme. `None` for a user whose name would end at its own colon.
///
/// Spec: RFC 7617 section 2
pub(super) fn credentials(user: &str, password: &str) -> Option<String> {
    (!user.contains(':')).then(|| STANDARD.encode(format!("{user}:{password}")))
}
