//! The layout of a run file: what lies where, in bytes.
//!
//! ```text
//! 0x00000  header       what the file is: magic, version, architecture, run; then the run's facts
//! 0x04000  state        two copies of 8 KiB, written in turns
//! 0x08000  beats        a line of 64 bytes for each heart
//! 0x0C000  modules      512 entries of 256 bytes
//! 0x2C000  slot 0       96 KiB: the crash, with 64 KiB of its stack
//! 0x44000  slots 1-3    16 KiB each: crashes beside it, and one inside the handler
//! ```
//!
//! Every section begins on a page of 16 KiB, the largest that iOS and Android have. All numbers are
//! in the byte order of the machine, which is little endian on every phone; the magic number tells
//! a reader of the other order apart. Later versions read this form, so it must not change.

/// What a file begins with.
pub const MAGIC: u64 = u64::from_le_bytes(*b"TLCRASH1");
/// The version of the layout.
pub const VERSION: u32 = 1;
/// Bytes of a file.
pub const FILE_BYTES: usize = 0x50000;
/// Bytes of a page of memory in this file. A page of the system may be smaller.
pub const PAGE: usize = 0x1000;

/// The header: magic u64, version u32, architecture u32, bytes of the file u32, reserved u32, the
/// key of the run in 16 bytes, and at [`HEADER_CRC_AT`] the CRC-32C of these 40 bytes.
pub const HEADER_AT: usize = 0;
/// Where the key of the run stands.
pub const RUN_AT: usize = 24;
/// Where the checksum of the header stands.
pub const HEADER_CRC_AT: usize = 40;
/// Where the phase of the run stands: see [`crate::Phase`].
pub const PHASE_AT: usize = 64;
/// What is constant in a run, in a form of the host's: length u32, CRC-32C u32, bytes.
pub const FACTS_AT: usize = 0x100;
/// Bytes of the facts, their head included.
pub const FACTS_BYTES: usize = 0x3f00;

/// The two copies of the state: number u32, length u32, CRC-32C u32 of the bytes, reserved u32,
/// bytes. The copy with the higher number is the newer one; while it is written, its number is 0.
pub const STATE_AT: [usize; 2] = [0x4000, 0x6000];
/// Bytes of a copy of the state, its head included.
pub const STATE_BYTES: usize = 0x2000;
/// Bytes of the head of a copy of the state.
pub const STATE_HEAD: usize = 16;

/// The heartbeats, a line of 64 bytes each: see [`crate::Beat`].
pub const BEATS_AT: usize = 0x8000;
/// Bytes of a line.
pub const LINE: usize = 64;

/// The modules.
pub const MODULES_AT: usize = 0xC000;
/// How many modules there can be.
pub const MODULES: usize = 512;
/// Bytes of a module: see [`module`].
pub const MODULE_BYTES: usize = 256;

/// The slots: the large one first.
pub const SLOT_AT: [usize; 4] = [0x2C000, 0x44000, 0x48000, 0x4C000];

/// Where the parts of a module's entry stand.
pub mod module {
    /// CRC-32C of all bytes behind it.
    pub const CRC: usize = 0;
    /// Length of the path, u16.
    pub const PATH_LEN: usize = 4;
    /// Length of the build id, u8.
    pub const BUILD_ID_LEN: usize = 6;
    /// What has to be added to an address in the file to get the one in memory, u64.
    pub const BIAS: usize = 8;
    /// The first address of the module, u64.
    pub const START: usize = 16;
    /// The address behind its last one, u64.
    pub const END: usize = 24;
    /// The build id, at most 32 bytes.
    pub const BUILD_ID: usize = 32;
    /// Bytes that there are for a build id.
    pub const BUILD_ID_BYTES: usize = 32;
    /// The last bytes of the path.
    pub const PATH: usize = 64;
    /// Bytes that there are for a path.
    pub const PATH_BYTES: usize = super::MODULE_BYTES - PATH;
}

/// Where the parts of a slot stand, from its beginning on.
pub mod slot {
    /// The thread that writes it, u32; 0 when nobody has taken it. See [`crate::Verdict`].
    pub const OWNER: usize = 0;
    /// How far it is written, u32: see [`crate::Stage`].
    pub const STAGE: usize = 4;
    /// Whether it counts, u32: see [`crate::Verdict`].
    pub const VERDICT: usize = 8;
    /// How many crashes there were before this one in the process, u32.
    pub const ORDER: usize = 12;
    /// How many pages of the stack are written, u32.
    pub const STACK_PAGES: usize = 16;
    /// What the handler noticed, u32: see [`crate::flags`].
    pub const FLAGS: usize = 20;
    /// How long the handler has taken until it had written everything, ns, u64.
    pub const TOOK: usize = 24;

    /// The registers: CRC-32C u32 over what follows, length u32, then words of 8 bytes.
    pub const REGISTERS: usize = 0x100;
    /// Words before the registers themselves: see [`crate::word`].
    pub const WORDS: usize = 24;
    /// The frames: CRC-32C u32 over what follows, count u32, addresses of 8 bytes.
    pub const FRAMES: usize = 0x500;
    /// How many frames there can be.
    pub const MAX_FRAMES: usize = 128;
    /// The stack: the address of its first byte u64, then for each page bytes u32 and CRC-32C u32.
    pub const STACK: usize = 0xA00;
    /// How many pages of 4 KiB the large slot has for the stack.
    pub const MAX_PAGES: usize = 17;
    /// Where the bytes of the stack are.
    pub const STACK_BYTES_AT: usize = 0x1000;
    /// How many pages a small slot has for the stack.
    pub const MAX_SMALL_PAGES: usize = 2;
}
