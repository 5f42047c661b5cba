//! The request for datagrams that did not come.

use bytes::{BufMut, Bytes, BytesMut};

/// Numbers in one request.
///
/// Spec: MMSP 2.2.5
pub const MAX_RESEND_NUMBERS: usize = 32;

/// RequestPacketListResend, a datagram.
///
/// ```text
/// 0            4            8           10            12
/// | 0xBEEFF00D | dwClientId | wSourceId | wNumPackets | sequence u32 x wNumPackets
/// ```
///
/// Spec: MMSP 2.2.5
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResendRequest {
    client_id: u32,
    source_id: u16,
    sequences: Vec<u32>,
}

impl ResendRequest {
    /// Asks for up to [`MAX_RESEND_NUMBERS`] of `sequences`: the numbers whose low 8 bits are AFFlags. `client_id` is
    /// what ReportFunnelInfo said, and `open_file_id` what ReportOpenFile said.
    pub fn new(client_id: u32, open_file_id: u32, sequences: impl IntoIterator<Item = u32>) -> Self {
        let [low, high, ..] = open_file_id.to_le_bytes();
        let sequences = sequences.into_iter().take(MAX_RESEND_NUMBERS).collect();
        Self { client_id, source_id: u16::from_le_bytes([low, high]), sequences }
    }

    /// The datagram.
    ///
    /// Spec: MMSP 2.2.5
    pub fn encode(&self) -> Bytes {
        let mut datagram = BytesMut::new();
        datagram.put_u32_le(0xBEEF_F00D);
        datagram.put_u32_le(self.client_id);
        datagram.put_u16_le(self.source_id);
        datagram.put_u16_le(u16::try_from(self.sequences.len()).unwrap_or(u16::MAX));
        for sequence in &self.sequences {
            datagram.put_u32_le(*sequence);
        }
        datagram.freeze()
    }
}
