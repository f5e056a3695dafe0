//! Memory for short-lived values: they last until their row, or their batch of rows, is used.
//!
//! A value is a few bytes, and there are tens of millions of them, so allocating each in a memory context of the server
//! would cost more than making it.

/// Memory that is handed out piece by piece and taken back all at once.
#[derive(Default)]
pub struct Arena {
    blocks: Vec<Box<[u64]>>,
    /// The block in use, and how many of its words are in use.
    block: usize,
    used: usize,
}

/// Words in a block: 64 KiB, enough for some hundred rows.
const BLOCK: usize = 8192;

impl Arena {
    /// Takes back everything that was handed out, which must not be used any more.
    pub fn reset(&mut self) {
        self.block = 0;
        self.used = 0;
    }

    /// Memory for this many bytes, aligned for any value, of unspecified content.
    #[inline]
    pub fn allocate(&mut self, bytes: usize) -> &mut [u8] {
        let words = bytes.div_ceil(size_of::<u64>());
        while self.blocks.get(self.block).is_none_or(|block| block.len() - self.used < words) {
            self.next_block(words);
        }
        let start = self.used;
        self.used += words;
        let piece = &mut self.blocks[self.block][start..start + words];
        // SAFETY: a word is eight bytes, any of which may be read or written alone.
        unsafe { std::slice::from_raw_parts_mut(piece.as_mut_ptr().cast(), bytes) }
    }

    #[cold]
    fn next_block(&mut self, words: usize) {
        if self.block < self.blocks.len() {
            self.block += 1;
        }
        if self.block == self.blocks.len() {
            self.blocks.push(vec![0; words.max(BLOCK)].into_boxed_slice());
        }
        self.used = 0;
    }
}
