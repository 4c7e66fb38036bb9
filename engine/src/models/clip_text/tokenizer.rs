//! CLIP's byte-pair tokenizer, token for token that of transformers.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Lowercase, NFC, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

use crate::error::{EngineError, Result};
use crate::models::config::ConfigFile;

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

/// CLIP's word pattern: special tokens, contractions, letters, single digits, other signs.
const WORDS: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// Longest prompt that is tokenised, in bytes; what follows is cut off.
const MAX_PROMPT_BYTES: usize = 100_000;

/// Token ids of one prompt, start and end tokens included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The ids.
    pub ids: Vec<u32>,
    /// Whether the end of the prompt was cut off.
    pub truncated: bool,
}

/// Lower-casing byte-level BPE with `</w>` word ends.
#[derive(Clone, Debug)]
pub struct ClipTokenizer {
    folder: PathBuf,
    inner: Tokenizer,
    start: u32,
    end: u32,
    pad: u32,
}

/// A special token's entry in `special_tokens_map.json` or `tokenizer_config.json`: a string, or an object with one.
fn content(entry: &Value) -> Option<&str> {
    entry.as_str().or_else(|| entry.get("content")?.as_str())
}

/// The special token with the matching flags that `tokenizer_config.json` gives it.
fn special(config: Option<&Value>, text: &str) -> AddedToken {
    let entry = config
        .and_then(|config| config.get("added_tokens_decoder")?.as_object())
        .and_then(|tokens| tokens.values().find(|token| content(token) == Some(text)));
    let flag = |name: &str| entry.and_then(|entry| entry.get(name)?.as_bool()).unwrap_or(false);
    AddedToken::from(text, true)
        .normalized(flag("normalized"))
        .lstrip(flag("lstrip"))
        .rstrip(flag("rstrip"))
        .single_word(flag("single_word"))
}

impl ClipTokenizer {
    /// Reads `vocab.json` and `merges.txt`, or `tokenizer.json` where those are missing.
    ///
    /// # Errors
    /// Neither is there, one does not parse, or the start and end tokens are not in the vocabulary.
    pub fn read(folder: &Path) -> Result<Self> {
        let bad = |reason: String| EngineError::Tokenizer { folder: folder.to_owned(), reason };
        let optional = |name: &str| -> Result<Option<Value>> {
            let path = folder.join(name);
            if path.exists() { Ok(Some(ConfigFile::read(&path)?.value)) } else { Ok(None) }
        };
        let (config, special_tokens) = (optional("tokenizer_config.json")?, optional("special_tokens_map.json")?);
        let (vocabulary, merges, whole) =
            (folder.join("vocab.json"), folder.join("merges.txt"), folder.join("tokenizer.json"));
        let named_pad =
            |file: &Option<Value>| file.as_ref().and_then(|file| content(file.get("pad_token")?).map(str::to_owned));
        // transformers pads CLIP with the end token unless the files say otherwise (Stable Diffusion 2's say "!"), and then
        // that token is one of its own wherever it stands in a prompt.
        let pad = named_pad(&config).or_else(|| named_pad(&special_tokens)).unwrap_or_else(|| END.to_owned());
        let inner = if vocabulary.exists() && merges.exists() {
            assemble(&vocabulary, &merges, config.as_ref(), &pad).map_err(|error| bad(error.to_string()))?
        } else if whole.exists() {
            let mut inner = Tokenizer::from_file(&whole).map_err(|error| bad(error.to_string()))?;
            // Cutting and padding are done here, by the model's own number of positions.
            inner.with_truncation(None).map_err(|error| bad(error.to_string()))?;
            inner.with_padding(None);
            inner
        } else {
            return Err(bad("it has neither vocab.json with merges.txt nor tokenizer.json".to_owned()));
        };
        let id =
            |token: &str| inner.token_to_id(token).ok_or_else(|| bad(format!("`{token}` is not in the vocabulary")));
        let (start, end, pad) = (id(START)?, id(END)?, id(&pad)?);
        Ok(Self { folder: folder.to_owned(), inner, start, end, pad })
    }

    /// The end token's id.
    pub fn end_token_id(&self) -> u32 {
        self.end
    }

    /// Tokens of `prompt`, cut to `max_positions` with the end token kept.
    ///
    /// # Errors
    /// The vocabulary lacks even the bytes of the prompt.
    pub fn encode(&self, prompt: &str, max_positions: usize) -> Result<Tokens> {
        let cut = prompt.floor_char_boundary(MAX_PROMPT_BYTES);
        let encoding = self
            .inner
            .encode_fast(&prompt[..cut], false)
            .map_err(|error| EngineError::Tokenizer { folder: self.folder.clone(), reason: error.to_string() })?;
        let room = max_positions.saturating_sub(2);
        let found = encoding.get_ids();
        let mut ids = Vec::with_capacity(found.len().min(room) + 2);
        ids.push(self.start);
        ids.extend(found.iter().take(room));
        ids.push(self.end);
        Ok(Tokens { ids, truncated: found.len() > room || cut < prompt.len() })
    }

    /// As [`encode`](Self::encode), filled up to `positions` with the padding token, as pipelines do.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_padded(&self, prompt: &str, positions: usize) -> Result<Tokens> {
        let mut tokens = self.encode(prompt, positions)?;
        tokens.ids.resize(positions, self.pad);
        Ok(tokens)
    }
}

fn assemble(vocabulary: &Path, merges: &Path, config: Option<&Value>, pad: &str) -> tokenizers::Result<Tokenizer> {
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or("its path is not valid UTF-8");
    let model = BPE::from_file(&text(vocabulary)?, &text(merges)?)
        .unk_token(END.to_owned())
        .continuing_subword_prefix(String::new())
        .end_of_word_suffix("</w>".to_owned())
        .build()?;
    let mut tokenizer = Tokenizer::new(model);
    let spaces = Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ")?;
    tokenizer.with_normalizer(Some(Normalizers::new(vec![NFC.into(), spaces.into(), Lowercase.into()])))?;
    let words = Split::new(SplitPattern::Regex(WORDS.to_owned()), SplitDelimiterBehavior::Removed, true)?;
    tokenizer
        .with_pre_tokenizer(Some(PreTokenizers::new(vec![words.into(), ByteLevel::new(false, true, true).into()])));
    tokenizer.add_special_tokens([START, END, pad].map(|token| special(config, token)))?;
    Ok(tokenizer)
}
