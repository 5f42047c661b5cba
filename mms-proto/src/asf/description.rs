//! What people wrote about a file.

use super::AsfError;
use super::reader::Reader;

/// The Content Description Object. What is not there is empty; what is no UTF-16 has replacement characters.
///
/// ```text
/// | len u16 of title, author, copyright, description, rating | the five strings, UTF-16 and mostly ended by 0 |
/// ```
///
/// Spec: ASF 3.10
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// What it is called.
    pub title: String,
    /// Who made it.
    pub author: String,
    /// Whose it is.
    pub copyright: String,
    /// What it is about.
    pub description: String,
    /// For whom it is.
    pub rating: String,
}

impl Description {
    pub(super) fn read(mut body: Reader<'_>) -> Result<Self, AsfError> {
        let lens = [body.u16()?, body.u16()?, body.u16()?, body.u16()?, body.u16()?];
        let mut text = |len: u16| body.take(usize::from(len)).map(utf16);
        let [title, author, copyright, description, rating] = lens;
        Ok(Self {
            title: text(title)?,
            author: text(author)?,
            copyright: text(copyright)?,
            description: text(description)?,
            rating: text(rating)?,
        })
    }
}

/// Up to the first 0. Half a unit at the end is left out.
fn utf16(bytes: &[u8]) -> String {
    let (units, _half) = bytes.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
