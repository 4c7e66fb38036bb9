//! The seed as 24 English words: BIP-39 (<https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki>), the words
//! standing for the seed itself (its entropy), without BIP-39's own key stretching: 256 random bits need none.

use std::fmt;

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize, Zeroizing};

use super::error::IdentityError;

const WORDS: usize = 24;

/// 24 words. Wiped from memory at the end; `Debug` shows nothing.
#[derive(Clone)]
pub struct Phrase(Mnemonic);

impl Phrase {
    pub(super) fn of(seed: &[u8; 32]) -> Self {
        // 32 bytes are one of BIP-39's lengths.
        #[allow(clippy::expect_used)]
        Self(Mnemonic::from_entropy_in(Language::English, seed).expect("32 bytes of entropy"))
    }

    /// Reads the words, separated by white space, in either case.
    ///
    /// # Errors
    /// Not 24 words of the list, or their checksum does not hold.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let bad = |reason: String| IdentityError::Phrase { reason };
        let found = text.split_whitespace().count();
        if found != WORDS {
            return Err(bad(format!("there are {found} words, {WORDS} are needed")));
        }
        let mut words = Zeroizing::new(String::with_capacity(text.len() + WORDS));
        for word in text.split_whitespace() {
            words.extend(word.chars().map(|c| c.to_ascii_lowercase()).chain([' ']));
        }
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, words.trim_end());
        mnemonic.map(Self).map_err(|error| {
            bad(match error {
                bip39::Error::UnknownWord(index) => format!("word {} is not in the list", index + 1),
                bip39::Error::InvalidChecksum => "the checksum does not hold".to_owned(),
                other => other.to_string(),
            })
        })
    }

    /// The words, for the screen; the caller sees to it that they go nowhere else.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.words()
    }

    /// The words in one line.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut line = Zeroizing::new(String::with_capacity(WORDS * 9));
        for word in self.words() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        line
    }

    pub(super) fn seed(&self) -> Zeroizing<[u8; 32]> {
        let (mut entropy, _) = self.0.to_entropy_array();
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(&entropy[..32]);
        entropy.zeroize();
        seed
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase(24 words)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::Identity;
    use super::*;

    /// From the vectors that the BIP points to (github.com/trezor/python-mnemonic, vectors.json).
    const VECTORS: [(&str, &str); 8] = [
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
             abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
        ),
        (
            "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
            "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal winner \
             thank year wave sausage worth title",
        ),
        (
            "8080808080808080808080808080808080808080808080808080808080808080",
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid \
             letter advice cage absurd amount doctor acoustic bless",
        ),
        (
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
        ),
        (
            "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
            "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis maple \
             dilemma loan word shrug inflict delay length",
        ),
        (
            "9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
            "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol speed nation flash devote \
             level hobby quick inner drive ghost inside",
        ),
        (
            "066dca1a2bb7e8a1db2832148ce9933eea0f3ac9548d793112d9a95c9407efad",
            "all hour make first leader extend hole alien behind guard gospel lava path output census museum junior mass \
             reopen famous sing advance salt reform",
        ),
        (
            "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen patrol group \
             space point ten exist slush involve unfold",
        ),
    ];

    #[test]
    fn known_phrases() {
        for (seed, words) in VECTORS {
            let seed = crate::proof::Digest::from_hex(seed).unwrap().0;
            assert_eq!(*Phrase::of(&seed).expose(), words);
            let read = Phrase::parse(&words.to_uppercase().replace(' ', "\n ")).unwrap();
            assert_eq!(*read.seed(), seed);
            assert_eq!(Identity::from_phrase(&read).public_key(), Identity::from_seed(&seed).public_key());
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let words = VECTORS[4].1;
        let reason = |text: &str| match Phrase::parse(text) {
            Err(IdentityError::Phrase { reason }) => reason,
            other => panic!("{other:?}"),
        };
        assert!(reason("").contains("0 words"));
        assert!(reason(&words.replacen("hamster", "", 1)).contains("23 words"));
        assert!(reason(&words.replacen("diagram", "diagramm", 1)).contains("word 2"));
        assert!(reason(&words.replacen("diagram", "private", 1)).contains("checksum"));
        // Twelve words are a phrase, but not one of ours.
        let twelve = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
        assert!(reason(twelve).contains("12 words"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let identity = Identity::from_seed(&[7; 32]);
        let printed = format!("{identity:?} {:?}", identity.phrase());
        assert!(printed.contains(&identity.public_key().to_string()));
        assert!(!printed.contains("070707"));
        assert!(identity.phrase().words().all(|word| !printed.contains(&format!(" {word}"))));
    }

    proptest! {
        #[test]
        fn every_seed_comes_back(seed in any::<[u8; 32]>()) {
            let phrase = Identity::from_seed(&seed).phrase();
            prop_assert_eq!(*Phrase::parse(&phrase.expose()).unwrap().seed(), seed);
        }

        #[test]
        fn any_text_is_refused_or_read(text in "\\PC{0,300}") {
            if let Ok(phrase) = Phrase::parse(&text) {
                prop_assert_eq!(phrase.words().count(), 24);
            }
        }
    }
}
