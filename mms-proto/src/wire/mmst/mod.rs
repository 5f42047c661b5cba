//! Messages of MMST and MMSU.
//!
//! Names are those of the specification. Other programs and their captures call the same things otherwise:
//!
//! | here | there |
//! |---|---|
//! | TcpMessageHeader | pre-header, command header |
//! | `hr` or playIncarnation, and the word after it | prefix 1 and 2 |
//! | LocationId | packet sequence, `seq_num` |
//! | playIncarnation of a Data packet | packet id type: 2 the header, 4 the media |
//! | AFFlags | flags, UDP sequence |
//! | ReadBlock | header request |
//! | StreamSwitch | stream select, MBR selector |
//! | FunnelInfo | timing test request |
//! | ConnectFunnel | protocol select, transport info |
//!
//! Spec: MMSP 2.2

mod frame;
mod resend;
mod text;
mod to_server;
mod to_viewer;

pub use frame::{Frame, MAX_FRAME_LEN, MAX_MESSAGE_LENGTH, Messages, split_frame};
pub use resend::{MAX_RESEND_NUMBERS, ResendRequest};
pub use text::{MAX_TEXT_UNITS, Text, decode_text};
pub use to_server::{
    Acceleration, Funnel, LinkViewerToMac, MAX_TOKEN_LEN, StartPlaying, Token, UNUSED_LOCATION, UNUSED_POSITION,
};
pub use to_viewer::{Connected, LinkMacToViewer, OpenedFile, SecurityChallenge, StreamChange};
