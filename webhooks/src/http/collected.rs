//! The bytes of a body as they come in, held once.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use memmap2::MmapMut;

/// A body that will be larger has pages of its own, untouched ones of which take no memory: they may be as many as were
/// promised. In the heap a buffer is outgrown again and again, and leaves as much behind as it holds in the end; made as
/// large as was promised, it takes whatever strangers promise.
///
/// Most bodies are smaller, and not worth a system call.
const SMALL: usize = 256 << 10;

/// Most bodies come in one piece, and are then never copied.
pub(super) enum Collected {
    Nothing,
    One(Bytes),
    Small(BytesMut),
    Large(Pages),
}

impl Collected {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Small(bytes) => bytes.len(),
            Self::Large(pages) => pages.length,
        }
    }

    /// With `data` behind it. The body will have `declared` bytes, if its sender says the truth, and at most `limit`.
    pub(super) fn and(self, mut data: impl Buf, declared: Option<usize>, limit: usize) -> Self {
        let length = data.remaining();
        let needed = self.len() + length;
        match self {
            Self::Nothing => Self::One(data.copy_to_bytes(length)),
            Self::Large(mut pages) if needed <= pages.map.len() => {
                pages.put(data);
                Self::Large(pages)
            }
            outgrown => {
                let outgrown = outgrown.into_bytes();
                let large = needed.max(declared.unwrap_or_default()) > SMALL;
                let room = large.then(|| Pages::reserve(needed.max(declared.unwrap_or(limit)))).flatten();
                if let Some(mut pages) = room {
                    pages.put(outgrown);
                    pages.put(data);
                    return Self::Large(pages);
                }
                let mut small = outgrown.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
                small.put(data);
                Self::Small(small)
            }
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Small(bytes) => bytes.freeze(),
            Self::Large(Pages { map, length }) => Bytes::from_owner(map).slice(..length),
        }
    }
}

/// Pages from the system, of which the first `length` bytes are written to.
pub(super) struct Pages {
    map: MmapMut,
    length: usize,
}

impl Pages {
    /// None where the system has no room in its addresses, or counts pages that nobody has written to.
    fn reserve(bytes: usize) -> Option<Self> {
        let map = MmapMut::map_anon(bytes).ok()?;
        // A huge page would be taken whole for its first byte. Kernels without huge pages refuse, and need not be told.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::NoHugePage);
        Some(Self { map, length: 0 })
    }

    fn put(&mut self, mut data: impl Buf) {
        let end = self.length + data.remaining();
        data.copy_to_slice(&mut self.map[self.length..end]);
        self.length = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = 60_000;
    const LIMIT: usize = 64 * PIECE;

    fn bytes(length: usize) -> Bytes {
        (0..length).map(|at| at.to_le_bytes()[at % 2]).collect()
    }

    /// In pieces, as a socket has them.
    fn collect(body: &Bytes, declared: Option<usize>, limit: usize) -> Collected {
        let pieces = body.chunks(PIECE);
        pieces.fold(Collected::Nothing, |so_far, piece| so_far.and(piece, declared, limit))
    }

    #[test]
    fn what_comes_in_pieces_is_put_together() {
        for pieces in [0, 1, 2, 5, 64] {
            let body = bytes(pieces * PIECE);
            // Declared, not declared, and declared untruly, as only a body that is none of HTTP's can do.
            for declared in [Some(body.len()), None, Some(1), Some(LIMIT)] {
                let collected = collect(&body, declared, LIMIT);
                assert_eq!(collected.len(), body.len());
                assert_eq!(collected.into_bytes(), body, "{pieces} pieces, {declared:?}");
            }
        }
    }

    #[test]
    fn what_is_or_will_be_large_has_pages_and_the_rest_has_not() {
        let small = bytes(2 * PIECE);
        assert!(matches!(collect(&small, Some(small.len()), LIMIT), Collected::Small(_)));
        assert!(matches!(collect(&small, None, LIMIT), Collected::Small(_)));
        assert!(matches!(collect(&small, Some(LIMIT), LIMIT), Collected::Large(_)));
        assert!(matches!(collect(&bytes(5 * PIECE), None, LIMIT), Collected::Large(_)));
    }

    #[test]
    fn where_there_are_no_pages_the_heap_will_do() {
        let body = bytes(5 * PIECE);
        let collected = collect(&body, None, usize::MAX);
        assert!(matches!(collected, Collected::Small(_)));
        assert_eq!(collected.into_bytes(), body);
    }
}
