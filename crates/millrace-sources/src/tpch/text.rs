//! The text that all comments are cut from: 300 MiB of sentences that follow a grammar.
//!
//! dbgen makes all of it before the first comment. Here it is made in chunks, each when it is first read, because the state
//! of the random stream at each chunk's beginning is known (`text.states`, checked by a test). So a few comments cost a few
//! chunks, and many threads can share the whole.

use crate::lehmer::Draws;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tpchgen::distribution::{Distribution, Distributions};

const SIZE: usize = 300 << 20;
const CHUNK: usize = 64 << 10;
const CHUNKS: usize = SIZE / CHUNK;
/// The longest comment. Each chunk ends with this much of the next one, so that every comment is in one piece.
const OVERLAP: usize = 256;

static POOL: [OnceLock<String>; CHUNKS] = [const { OnceLock::new() }; CHUNKS];
/// How many of the chunks have been made.
static BUILT: AtomicUsize = AtomicUsize::new(0);

/// For each chunk, the state of the random stream at the beginning of the sentence that the chunk begins
/// in, and how many characters of that sentence are before the chunk: four and two bytes.
static STATES: &[u8] = include_bytes!("text.states");
const STATE: usize = 6;

/// The shortest and the longest text for a mean length; all lengths between are equally likely.
pub fn lengths(mean: f64) -> (i64, i64) {
    ((mean * 0.4) as i64, (mean * 1.6) as i64)
}

/// The next text: two draws, where it begins and how long it is.
pub fn text(draws: &mut Draws, mean_length: f64) -> &'static str {
    let (shortest, longest) = lengths(mean_length);
    let start = draws.number(0, SIZE as i64 - longest) as usize;
    let length = draws.number(shortest, longest) as usize;
    let (number, offset) = (start / CHUNK, start % CHUNK);
    &chunk(number)[offset..][..length]
}

/// Makes all chunks that have not been made yet, with this number of threads.
pub fn build(threads: usize) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&number| number < CHUNKS)
        {
            chunk(number);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
}

/// Whether all chunks are there.
pub fn is_built() -> bool {
    BUILT.load(Ordering::Relaxed) == CHUNKS
}

/// A chunk and its overlap.
fn chunk(number: usize) -> &'static str {
    let (state, skip) = STATES[number * STATE..][..STATE].split_at(4);
    let skip = usize::from(u16::from_le_bytes([skip[0], skip[1]]));
    let sentences = POOL[number].get_or_init(|| {
        let mut writer = Writer::new(u32::from_le_bytes([state[0], state[1], state[2], state[3]]));
        while writer.text.len() < skip + CHUNK + OVERLAP {
            writer.sentence();
        }
        BUILT.fetch_add(1, Ordering::Relaxed);
        writer.text
    });
    &sentences[skip..]
}

/// A list of words, one entry for each number that can be drawn.
struct Words(Vec<&'static str>);

impl Words {
    fn new(list: &'static Distribution) -> Self {
        let mut words = Vec::new();
        for (index, &word) in list.get_values().iter().enumerate() {
            // Weights are given as running sums.
            words.resize(list.get_weight(index) as usize, word);
        }
        Self(words)
    }
}

/// The grammar's lists.
struct Grammar {
    sentences: Words,
    noun_phrases: Words,
    verb_phrases: Words,
    nouns: Words,
    verbs: Words,
    adjectives: Words,
    adverbs: Words,
    articles: Words,
    auxiliaries: Words,
    prepositions: Words,
    terminators: Words,
}

fn grammar() -> &'static Grammar {
    static GRAMMAR: OnceLock<Grammar> = OnceLock::new();
    GRAMMAR.get_or_init(|| {
        let lists = Distributions::static_default();
        Grammar {
            sentences: Words::new(lists.grammar()),
            noun_phrases: Words::new(lists.noun_phrase()),
            verb_phrases: Words::new(lists.verb_phrase()),
            nouns: Words::new(lists.nouns()),
            verbs: Words::new(lists.verbs()),
            adjectives: Words::new(lists.adjectives()),
            adverbs: Words::new(lists.adverbs()),
            articles: Words::new(lists.articles()),
            auxiliaries: Words::new(lists.auxiliaries()),
            prepositions: Words::new(lists.prepositions()),
            terminators: Words::new(lists.terminators()),
        }
    })
}

/// Writes sentence after sentence.
struct Writer {
    grammar: &'static Grammar,
    draws: Draws,
    text: String,
}

impl Writer {
    fn new(state: u32) -> Self {
        Self {
            grammar: grammar(),
            draws: Draws::from_state(state),
            text: String::with_capacity(CHUNK + 4 * OVERLAP),
        }
    }

    fn draw(&mut self, words: &'static Words) -> &'static str {
        words.0[self.draws.number(0, words.0.len() as i64 - 1) as usize]
    }

    fn word(&mut self, words: &'static Words) {
        let word = self.draw(words);
        self.text.push_str(word);
        self.text.push(' ');
    }

    /// A pattern's symbols stand for phrases: noun, verb, prepositional; and for the end of the sentence.
    fn sentence(&mut self) {
        let grammar = self.grammar;
        for symbol in self.draw(&grammar.sentences).bytes().step_by(2) {
            match symbol {
                b'V' => self.verb_phrase(),
                b'N' => self.noun_phrase(),
                b'P' => {
                    self.word(&grammar.prepositions);
                    self.text.push_str("the ");
                    self.noun_phrase();
                }
                _ => {
                    self.text.pop();
                    let end = self.draw(&grammar.terminators);
                    self.text.push_str(end);
                }
            }
            if !self.text.ends_with(' ') {
                self.text.push(' ');
            }
        }
    }

    fn verb_phrase(&mut self) {
        let grammar = self.grammar;
        for symbol in self.draw(&grammar.verb_phrases).bytes().step_by(2) {
            self.word(match symbol {
                b'D' => &grammar.adverbs,
                b'V' => &grammar.verbs,
                _ => &grammar.auxiliaries,
            });
        }
    }

    fn noun_phrase(&mut self) {
        let grammar = self.grammar;
        for symbol in self.draw(&grammar.noun_phrases).bytes() {
            match symbol {
                b'A' => self.word(&grammar.articles),
                b'J' => self.word(&grammar.adjectives),
                b'D' => self.word(&grammar.adverbs),
                b'N' => self.word(&grammar.nouns),
                b',' => {
                    self.text.pop();
                    self.text.push_str(", ");
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tpchgen::text::TextPool;

    const SEED: u32 = 933_588_178;

    /// What `text.states` must hold.
    fn states() -> Vec<u8> {
        let mut states = Vec::with_capacity(CHUNKS * STATE);
        let mut writer = Writer::new(SEED);
        // Characters of the sentences before the one in `writer`.
        let mut written = 0;
        for chunk in 0..CHUNKS {
            loop {
                let state = writer.draws.state() as u32;
                writer.text.clear();
                writer.sentence();
                if written + writer.text.len() > chunk * CHUNK {
                    states.extend(state.to_le_bytes());
                    states.extend(((chunk * CHUNK - written) as u16).to_le_bytes());
                    writer.draws = Draws::from_state(state);
                    break;
                }
                written += writer.text.len();
            }
        }
        states
    }

    #[test]
    fn the_states_are_right() {
        let states = states();
        if let Ok(path) = std::env::var("MILLRACE_WRITE_TEXT_STATES") {
            std::fs::write(path, &states).unwrap();
        }
        assert!(states == STATES, "text.states is not what it must be");
    }

    #[test]
    fn the_text_is_tpchgens() {
        build(2);
        assert!(is_built());
        let theirs = TextPool::get_or_init_default();
        for number in 0..CHUNKS {
            let (start, end) = (number * CHUNK, (number * CHUNK + CHUNK + OVERLAP).min(SIZE));
            assert_eq!(
                &chunk(number)[..end - start],
                theirs.text(start as i32, end as i32),
                "chunk {number}"
            );
        }
    }
}
