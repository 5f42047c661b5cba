//! The habits of a server: what it does in every session, rightly or not.

use std::ops::Range;
use std::time::Duration;

/// What becomes of the padding of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Padding {
    /// It stays. (Relaying servers get this in any case, unless [`Habits::strip_for_relays`] is set.)
    Kept,
    /// It goes, and its length becomes 0.
    Zeroed,
    /// It goes, together with the field of its length.
    Removed,
}

/// Where a play starts that was asked to start at a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seek {
    /// There.
    Exact,
    /// At the first packet, whatever was asked.
    Ignored,
    /// So many packets before.
    Early(u32),
    /// So many packets behind.
    Late(u32),
    /// At the last key frame at or before.
    KeyFrame,
    /// Nowhere: nothing comes.
    Silent,
}

/// How the pieces of a header are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Marks {
    /// As the transport wants them: the last on MMST `0x0C` and all others `0x04`; on MMSH first `0x04`, then `0x00`, last `0x08`, or
    /// `0x0C` for a single one.
    OfTransport,
    /// On both as on MMST.
    Mmst,
    /// On both as on MMSH.
    Mmsh,
    /// None at all.
    Missing,
}

/// How fast packets are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rate {
    /// As fast as the client takes them.
    Unlimited,
    /// At so many times the rate of the film; 1 is what real servers do.
    Play(u32),
    /// Bytes per second of each session.
    Bytes(u64),
    /// One packet every so often.
    Each(Duration),
}

/// What happens after the last packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtEnd {
    /// The end is told, and the connection closes so much later. MPlayer waits for that. (MMSH does not wait.)
    TellAndClose(Duration),
    /// The end is told, and the connection stays until the client leaves. (MMSH closes.)
    Tell,
    /// The connection closes without a word.
    Close,
    /// Nothing happens any more.
    Silence,
}

/// Which number data packets carry to say which request they answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incarnations {
    /// That of the request.
    Echoed,
    /// Media packets always this one. (zefie's server: 4.)
    Fixed(u8),
    /// Media packets carry that of the header's request.
    OfHeader,
}

/// How the length of a control message is counted in its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkCount {
    /// Without the first 16 bytes, as servers do.
    Usual,
    /// All of it, as the specification says.
    Whole,
}

/// What a server does in every session. [`Habits::default`] is a server that all clients like.
#[derive(Debug, Clone)]
pub struct Habits {
    pub(super) media: Media,
    pub(super) mmst: Mmst,
    pub(super) mmsh: Mmsh,
    pub(super) udp: Udp,
}

/// Habits of all transports.
#[derive(Debug, Clone)]
pub(super) struct Media {
    pub(super) padding: Padding,
    pub(super) strip_for_relays: bool,
    pub(super) piece: usize,
    pub(super) marks: Marks,
    pub(super) seek: Seek,
    pub(super) missing: Vec<Range<u32>>,
    pub(super) extra_packet: bool,
    pub(super) rate: Rate,
    pub(super) at_end: AtEnd,
    pub(super) end_reason: u32,
    pub(super) live_from: Option<u32>,
    pub(super) live_for: Option<u32>,
    pub(super) then: Option<String>,
    pub(super) write_at_most: usize,
    pub(super) patience: Option<Duration>,
}

/// Habits of the control connection of MMST and MMSU.
#[derive(Debug, Clone)]
pub(super) struct Mmst {
    pub(super) version: String,
    pub(super) chunk_count: ChunkCount,
    pub(super) open_file_id: u32,
    pub(super) incarnations: Incarnations,
    pub(super) read_block_report: bool,
    pub(super) ping_before_answers: bool,
    pub(super) ping_in_header: bool,
    pub(super) ping_every_packets: u32,
    pub(super) ping_idle: Duration,
    pub(super) udp_only: bool,
    pub(super) tcp_only: bool,
}

/// Habits of MMSH.
#[derive(Debug, Clone)]
pub(super) struct Mmsh {
    pub(super) server: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) features: Option<String>,
    pub(super) unpaced_mark: bool,
    pub(super) unpaced_media: bool,
    pub(super) metadata: bool,
    pub(super) packet_pair: bool,
}

/// Habits of the datagrams of MMSU. 0 is never.
#[derive(Debug, Clone, Default)]
pub(super) struct Udp {
    pub(super) drop_every: u32,
    pub(super) repeat_every: u32,
    pub(super) hold_every: u32,
    pub(super) pair: bool,
    pub(super) reversed: usize,
    pub(super) lost: Range<u32>,
    pub(super) lost_headers: u32,
    pub(super) resends: bool,
    pub(super) blocked: bool,
}

impl Default for Habits {
    fn default() -> Habits {
        Habits {
            media: Media {
                padding: Padding::Zeroed,
                strip_for_relays: false,
                piece: usize::MAX,
                marks: Marks::OfTransport,
                seek: Seek::Exact,
                missing: Vec::new(),
                extra_packet: false,
                rate: Rate::Unlimited,
                at_end: AtEnd::TellAndClose(Duration::from_millis(300)),
                end_reason: 0,
                live_from: None,
                live_for: None,
                then: None,
                write_at_most: usize::MAX,
                patience: None,
            },
            mmst: Mmst {
                version: "4.1.0.3928".to_owned(),
                chunk_count: ChunkCount::Usual,
                open_file_id: 1,
                incarnations: Incarnations::Echoed,
                read_block_report: true,
                ping_before_answers: false,
                ping_in_header: false,
                ping_every_packets: 0,
                ping_idle: Duration::from_secs(30),
                udp_only: false,
                tcp_only: false,
            },
            mmsh: Mmsh {
                server: Some("Cougar/9.01.01.3841".to_owned()),
                content_type: None,
                features: None,
                unpaced_mark: false,
                unpaced_media: false,
                metadata: false,
                packet_pair: false,
            },
            udp: Udp { resends: true, ..Udp::default() },
        }
    }
}

impl Habits {
    /// The list of `features`, as it was set or as it is usual.
    pub(super) fn told_features(&self) -> &str {
        let usual = if self.media.live_from.is_some() { "broadcast,live" } else { "seekable" };
        self.mmsh.features.as_deref().unwrap_or(usual)
    }
}

/// Makes setters that take a value.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($value:ident: $type:ty) => $($field:ident).+ = $set:expr;)*) => {
        impl Habits {
            $($(#[$doc])* pub fn $name(mut self, $value: $type) -> Self {
                self.$($field).+ = $set;
                self
            })*
        }
    };
}

setters! {
    /// What becomes of padding; [`Padding::Zeroed`] if not set.
    padding(padding: Padding) => media.padding = padding;
    /// Whether clients that say they are servers (`Spooooon!`, `NSServer/`) lose the padding too; not if not set.
    strip_for_relays(strip: bool) => media.strip_for_relays = strip;
    /// The most bytes of the header in one piece; a packet on MMST and 65,000 on MMSH if not set.
    header_pieces(bytes: usize) => media.piece = bytes.max(1);
    /// How those pieces are marked.
    marks(marks: Marks) => media.marks = marks;
    /// Where plays start.
    seek(seek: Seek) => media.seek = seek;
    /// Packets that are never sent.
    missing(packets: &[Range<u32>]) => media.missing = packets.to_vec();
    /// Sends the beginning of the indexes as one packet more than there are, as zefie's server does.
    extra_packet(extra: bool) => media.extra_packet = extra;
    /// How fast packets come; as fast as they go if not set.
    rate(rate: Rate) => media.rate = rate;
    /// What happens after the last packet; the end is told, and 300 ms later the connection closes, if not set.
    at_end(end: AtEnd) => media.at_end = end;
    /// The result code of the end of the stream, `hr` on MMST and the reason in `$E` on MMSH.
    end_reason(code: u32) => media.end_reason = code;
    /// Files are live broadcasts: what is sent is the film over and over, numbered from `first`, from where the broadcast is.
    live_from(first: u32) => media.live_from = Some(first);
    /// A broadcast is over after so many packets of a play; never if not set.
    live_for(packets: u32) => media.live_for = Some(packets);
    /// When a film is over, the film of this path follows with its own header, once.
    followed_by(path: &str) => media.then = Some(path.to_owned());
    /// Writes at most so many bytes at once, each on its own.
    write_at_most(bytes: usize) => media.write_at_most = bytes.max(1);
    /// Closes the connection of a client that takes nothing for so long, though there is something for it; never if not set.
    patience(patience: Duration) => media.patience = Some(patience);

    /// The version that ReportConnectedEX tells; 4.1.0.3928 if not set.
    version(version: &str) => mmst.version = version.to_owned();
    /// How lengths are counted in the head of control messages.
    chunk_count(form: ChunkCount) => mmst.chunk_count = form;
    /// The openFileId; 1 if not set, and VLC takes no other than 1 and 2.
    open_file_id(id: u32) => mmst.open_file_id = id;
    /// What data packets carry as playIncarnation.
    incarnations(incarnations: Incarnations) => mmst.incarnations = incarnations;
    /// Whether ReportReadBlock comes before the header.
    read_block_report(report: bool) => mmst.read_block_report = report;
    /// Sends a Ping before each answer.
    ping_before_answers(ping: bool) => mmst.ping_before_answers = ping;
    /// Sends a Ping after each piece of the header.
    ping_in_header(ping: bool) => mmst.ping_in_header = ping;
    /// Sends a Ping after every so many packets; 0 is never.
    ping_every_packets(packets: u32) => mmst.ping_every_packets = packets;
    /// Sends a Ping after so long without anything else to send; 30 s if not set.
    ping_idle(after: Duration) => mmst.ping_idle = after;
    /// Refuses to send data over TCP (ReportDisconnectedFunnel).
    udp_only(only: bool) => mmst.udp_only = only;
    /// Refuses to send data over UDP (ReportDisconnectedFunnel).
    tcp_only(only: bool) => mmst.tcp_only = only;

    /// The `Server` of MMSH answers; none if `None`.
    server(server: Option<&str>) => mmsh.server = server.map(str::to_owned);
    /// The `Content-Type` of MMSH answers that carry a film.
    content_type(content_type: &str) => mmsh.content_type = Some(content_type.to_owned());
    /// The list of `features` of MMSH answers; `seekable`, or `broadcast,live`, if not set.
    features(features: &str) => mmsh.features = Some(features.to_owned());
    /// Chunks begin with `0xA4` instead of `$`: no pause follows.
    unpaced_mark(mark: bool) => mmsh.unpaced_mark = mark;
    /// The same for chunks of media alone: MPlayer takes it there, and not before.
    unpaced_media(mark: bool) => mmsh.unpaced_media = mark;
    /// Sends `$M` before `$H`, whoever the client is.
    metadata(metadata: bool) => mmsh.metadata = metadata;
    /// Sends a `$P` chunk before each header, and before its `$M`.
    packet_pair(pair: bool) => mmsh.packet_pair = pair;

    /// Loses every so-many-th datagram of media; 0 is none. A datagram that is sent again is not lost.
    drop_every(packets: u32) => udp.drop_every = packets;
    /// Sends every so-many-th datagram twice.
    repeat_every(packets: u32) => udp.repeat_every = packets;
    /// Sends every so-many-th datagram after the one that follows it.
    hold_every(packets: u32) => udp.hold_every = packets;
    /// Sends two datagrams of noise, which measure the line, before each header.
    datagram_pair(pair: bool) => udp.pair = pair;
    /// Sends datagrams of media in blocks of so many, the last one first; in order if 0.
    reversed(block: usize) => udp.reversed = block;
    /// Loses the datagrams of media of these numbers, counted over a session. One that is sent again is not lost.
    lost(sequences: Range<u32>) => udp.lost = sequences;
    /// Loses the first piece of the header so many times in a session.
    lost_headers(times: u32) => udp.lost_headers = times;
    /// Whether lost datagrams are sent again when asked for; they are if not set.
    resends(resends: bool) => udp.resends = resends;
    /// No datagram ever leaves, as behind a firewall.
    udp_blocked(blocked: bool) => udp.blocked = blocked;
}
