//! What a pickle says, in flat tables.
//!
//! Values are handles of 16 bytes, so that a memo hit copies a handle, nothing recurses and dropping is flat.

use super::globals::{Global, NumberType, OddTensor};

/// Part of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    start: u32,
    pub(super) len: u32,
}

impl Range {
    /// Pickles and tables are far below 4 GiB.
    pub(super) fn new(start: usize, len: usize) -> Self {
        Self { start: start as u32, len: len as u32 }
    }

    pub(super) fn of<T>(self, table: &[T]) -> &[T] {
        &table[self.start as usize..][..self.len as usize]
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// None, a float, bytes: whatever no tensor depends on.
    Other,
    Bool(bool),
    Int(i64),
    /// UTF-8 in the pickle.
    Text(Range),
    Global(Global),
    Tuple(Range),
    /// A list or set, by number.
    List(u32),
    Dict(u32),
    /// Index into the storages.
    Storage(u32),
    /// Index into the tensors.
    Tensor(u32),
    Odd(OddTensor),
}

/// The numbers of one or more tensors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage {
    pub(super) key: Range,
    pub(super) number: &'static NumberType,
    pub(super) count: u64,
}

/// A view of a storage; offset and strides in elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    pub(super) number: &'static NumberType,
    pub(super) offset: u64,
    pub(super) shape: Range,
    pub(super) strides: Range,
}

/// What a pickle says.
#[derive(Debug)]
pub(super) struct Unpickled<'a> {
    pub(super) pickle: &'a [u8],
    pub(super) root: Value,
    /// Length of the pickle.
    pub(super) end: usize,
    pub(super) storages: Vec<Storage>,
    pub(super) tensors: Vec<Tensor>,
    pub(super) tuples: Vec<Value>,
    /// Dict number, key, value.
    pub(super) dict_items: Vec<(u32, Value, Value)>,
    /// List number, value.
    pub(super) list_items: Vec<(u32, Value)>,
}

impl<'a> Unpickled<'a> {
    pub(super) fn tensor(&self, index: u32) -> Tensor {
        self.tensors[index as usize]
    }

    /// Shape and strides, of equal length.
    pub(super) fn layout(&self, tensor: Tensor) -> (Vec<u64>, Vec<u64>) {
        let numbers = |range: Range| {
            let number = |value: &Value| if let Value::Int(value) = value { *value as u64 } else { 0 };
            range.of(&self.tuples).iter().map(number).collect()
        };
        (numbers(tensor.shape), numbers(tensor.strides))
    }

    pub(super) fn storage_key(&self, storage: Storage) -> &'a str {
        self.text(Value::Text(storage.key)).unwrap_or_default()
    }

    /// Compares without reading a long text again.
    pub(super) fn is_text(&self, value: Value, expected: &str) -> bool {
        matches!(value, Value::Text(range) if range.of(self.pickle) == expected.as_bytes())
    }

    pub(super) fn text(&self, value: Value) -> Option<&'a str> {
        let Value::Text(range) = value else { return None };
        // It was checked when the value was made.
        std::str::from_utf8(range.of(self.pickle)).ok()
    }

    pub(super) fn dict_items(&self, dict: u32) -> impl Iterator<Item = (Value, Value)> {
        self.dict_items.iter().filter(move |item| item.0 == dict).map(|&(_, key, value)| (key, value))
    }

    pub(super) fn list_items(&self, list: u32) -> impl Iterator<Item = Value> {
        self.list_items.iter().filter(move |item| item.0 == list).map(|&(_, value)| value)
    }
}
