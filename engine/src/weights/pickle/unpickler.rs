//! A pickle machine on plain values: it builds tuples, lists, dicts and descriptions of tensors, and can do nothing else.
//!
//! Opcodes: those that Python's pickler writes for `torch.save` in protocols 2 to 5, and Python 2's strings.
//! Source: `Lib/pickletools.py` of CPython; arguments of the rebuild functions: `torch/_utils.py`.

use super::fault::{Fault, damaged, unsupported};
use super::globals::{Global, NumberType, OddTensor};
use super::unpickled::{Range, Storage, Tensor, Unpickled, Value};

/// Values that a pickle may make or repeat, which bounds stack, memo and every table; a tensor takes about 30.
const MAX_VALUES: usize = 1 << 18;
const MAX_TEXT_BYTES: usize = 1 << 16;
const MAX_NAME_BYTES: usize = 256;
pub(super) const MAX_RANK: usize = 8;

/// Runs the pickle that `pickle` begins with.
pub(super) fn unpickle(pickle: &[u8]) -> Result<Unpickled<'_>, Fault> {
    let made = Unpickled {
        pickle,
        root: Value::Other,
        end: 0,
        storages: Vec::new(),
        tensors: Vec::new(),
        tuples: Vec::new(),
        dict_items: Vec::new(),
        list_items: Vec::new(),
    };
    Machine { made, stack: Vec::new(), marks: Vec::new(), memo: Vec::new(), memo_len: 0, values: 0, containers: 0 }
        .run()
}

struct Machine<'a> {
    made: Unpickled<'a>,
    stack: Vec<Value>,
    /// Stack heights.
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    /// Entries stored without a number, which take the next one.
    memo_len: usize,
    values: usize,
    containers: u32,
}

impl<'a> Machine<'a> {
    fn run(mut self) -> Result<Unpickled<'a>, Fault> {
        loop {
            let at = self.made.end;
            let opcode = self.number(1)? as u8;
            if opcode == b'.' {
                self.made.root = self.pop()?;
                return Ok(self.made);
            }
            if let Some(value) = self.execute(opcode, at)? {
                self.count_value()?;
                self.stack.push(value);
            }
        }
    }

    /// Runs an opcode and gives the value that it pushes.
    fn execute(&mut self, opcode: u8, at: usize) -> Result<Option<Value>, Fault> {
        let value = match opcode {
            // PROTO and FRAME
            0x80 => {
                let protocol = self.number(1)?;
                if protocol > 5 {
                    return Err(unsupported(format!("its pickle protocol is {protocol}; 2 to 5 are known")));
                }
                return Ok(None);
            }
            0x95 => return self.take(8).map(|_| None),
            // NONE, NEWTRUE, NEWFALSE, BININT1, BININT2, BININT, LONG1, LONG4, BINFLOAT
            b'N' => Value::Other,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(self.number(1)? as i64),
            b'M' => Value::Int(self.number(2)? as i64),
            b'J' => Value::Int(i64::from(self.number(4)? as i32)),
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'G' => self.take(8).map(|_| Value::Other)?,
            // SHORT_BINSTRING, SHORT_BINUNICODE, BINSTRING, BINUNICODE, BINUNICODE8
            b'U' | 0x8c => self.text(1)?,
            b'T' | b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            // SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
            b'C' => self.bytes(1)?,
            b'B' => self.bytes(4)?,
            0x8e | 0x96 => self.bytes(8)?,
            // MARK, EMPTY_TUPLE, TUPLE1 to TUPLE3, TUPLE
            b'(' => {
                self.count_value()?;
                self.marks.push(self.stack.len());
                return Ok(None);
            }
            b')' => self.tuple(self.stack.len()),
            0x85..=0x87 => {
                let start = self.top(usize::from(opcode - 0x84))?;
                self.tuple(start)
            }
            b't' => {
                let start = self.pop_mark()?;
                self.tuple(start)
            }
            // EMPTY_LIST, EMPTY_SET, EMPTY_DICT, APPEND, APPENDS, ADDITEMS, SETITEM, SETITEMS
            b']' | 0x8f => Value::List(self.container()),
            b'}' => Value::Dict(self.container()),
            b'a' => {
                let start = self.top(1)?;
                return self.append(start);
            }
            b'e' | 0x90 => {
                let start = self.pop_mark()?;
                return self.append(start);
            }
            b's' => {
                let start = self.top(2)?;
                return self.set_items(start);
            }
            b'u' => {
                let start = self.pop_mark()?;
                return self.set_items(start);
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                Value::Global(find_global(module, name)?)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(module), Some(name)) = (self.made.text(module), self.made.text(name)) else {
                    return Err(damaged("its pickle refers to something without a name"));
                };
                Value::Global(find_global(module, name)?)
            }
            // REDUCE, NEWOBJ, BUILD, BINPERSID
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?
            }
            b'b' => {
                // Attributes such as `_metadata`; no tensor depends on them.
                self.pop()?;
                let object = self.pop()?;
                if !matches!(object, Value::Dict(_) | Value::Tensor(_) | Value::Odd(_) | Value::Other) {
                    return Err(damaged("its pickle gives attributes to something that has none"));
                }
                object
            }
            b'Q' => self.persistent()?,
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => return self.put(1),
            b'r' => return self.put(4),
            0x94 => return self.remember(self.memo_len),
            b'h' => self.get(1)?,
            b'j' => self.get(4)?,
            _ => {
                return Err(damaged(format!(
                    "its pickle has opcode {opcode:#04x} at byte {at}, which PyTorch does not write"
                )));
            }
        };
        Ok(Some(value))
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Fault> {
        let rest = &self.made.pickle[self.made.end..];
        let taken = usize::try_from(len)
            .ok()
            .and_then(|len| rest.get(..len))
            .ok_or_else(|| damaged("its pickle is cut short"))?;
        self.made.end += taken.len();
        Ok(taken)
    }

    /// A little-endian number of `len` bytes.
    fn number(&mut self, len: u64) -> Result<u64, Fault> {
        Ok(self.take(len)?.iter().rev().fold(0, |value, &byte| (value << 8) | u64::from(byte)))
    }

    /// Bytes after their own number, which has `len_bytes` bytes.
    fn counted(&mut self, len_bytes: u64) -> Result<&'a [u8], Fault> {
        let len = self.number(len_bytes)?;
        self.take(len)
    }

    /// A signed number of any length; one that does not fit can't be a size.
    fn long(&mut self, len_bytes: u64) -> Result<Value, Fault> {
        let bytes = self.counted(len_bytes)?;
        if bytes.len() > 8 {
            return Ok(Value::Other);
        }
        let sign = bytes.last().map_or(0, |last| if last & 0x80 != 0 { -1 } else { 0 });
        Ok(Value::Int(bytes.iter().rev().fold(sign, |value, &byte| (value << 8) | i64::from(byte))))
    }

    fn bytes(&mut self, len_bytes: u64) -> Result<Value, Fault> {
        self.counted(len_bytes).map(|_| Value::Other)
    }

    fn text(&mut self, len_bytes: u64) -> Result<Value, Fault> {
        let text = self.counted(len_bytes)?;
        if text.len() > MAX_TEXT_BYTES {
            return Err(unsupported(format!("its pickle has a text of {} bytes", text.len())));
        }
        std::str::from_utf8(text).map_err(|_| damaged("its pickle has a text that is not UTF-8"))?;
        Ok(Value::Text(Range::new(self.made.end - text.len(), text.len())))
    }

    fn line(&mut self) -> Result<&'a str, Fault> {
        let rest = &self.made.pickle[self.made.end..];
        let len = rest.iter().take(MAX_NAME_BYTES).position(|&byte| byte == b'\n');
        let line = len
            .and_then(|len| std::str::from_utf8(&rest[..len]).ok())
            .ok_or_else(|| damaged("its pickle has an endless name"))?;
        self.made.end += line.len() + 1;
        Ok(line)
    }

    fn count_value(&mut self) -> Result<(), Fault> {
        self.values += 1;
        if self.values > MAX_VALUES {
            Err(unsupported(format!("its pickle has more than {MAX_VALUES} values")))
        } else {
            Ok(())
        }
    }

    /// Start of the topmost `count` values above the last mark.
    fn top(&self, count: usize) -> Result<usize, Fault> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack
            .len()
            .checked_sub(count)
            .filter(|&start| start >= floor)
            .ok_or_else(|| damaged("its pickle takes from an empty stack"))
    }

    fn pop(&mut self) -> Result<Value, Fault> {
        let start = self.top(1)?;
        let value = self.stack[start];
        self.stack.truncate(start);
        Ok(value)
    }

    /// Start of the values above the last mark, which is removed.
    fn pop_mark(&mut self) -> Result<usize, Fault> {
        self.marks.pop().ok_or_else(|| damaged("its pickle ends a group that it did not begin"))
    }

    fn put(&mut self, index_bytes: u64) -> Result<Option<Value>, Fault> {
        let index = self.number(index_bytes)? as usize;
        self.remember(index)
    }

    fn remember(&mut self, index: usize) -> Result<Option<Value>, Fault> {
        let value = self.stack[self.top(1)?];
        if index >= MAX_VALUES {
            return Err(damaged(format!("its pickle remembers more than {MAX_VALUES} values")));
        }
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        self.memo_len += usize::from(self.memo[index].replace(value).is_none());
        Ok(None)
    }

    fn get(&mut self, index_bytes: u64) -> Result<Value, Fault> {
        let index = self.number(index_bytes)? as usize;
        self.memo.get(index).copied().flatten().ok_or_else(|| damaged("its pickle repeats a value that it never had"))
    }

    /// The values from `start` on the stack as a tuple.
    fn tuple(&mut self, start: usize) -> Value {
        let range = Range::new(self.made.tuples.len(), self.stack.len() - start);
        self.made.tuples.extend(self.stack.drain(start..));
        Value::Tuple(range)
    }

    fn container(&mut self) -> u32 {
        self.containers += 1;
        self.containers
    }

    /// The object below the values from `start` on the stack, which stays there.
    fn below(&self, start: usize) -> Option<Value> {
        let floor = self.marks.last().copied().unwrap_or(0);
        start.checked_sub(1).filter(|&at| at >= floor).map(|at| self.stack[at])
    }

    fn append(&mut self, start: usize) -> Result<Option<Value>, Fault> {
        let Some(Value::List(list)) = self.below(start) else {
            return Err(damaged("its pickle appends to something that is not a list"));
        };
        self.made.list_items.extend(self.stack.drain(start..).map(|value| (list, value)));
        Ok(None)
    }

    fn set_items(&mut self, start: usize) -> Result<Option<Value>, Fault> {
        let Some(Value::Dict(dict)) = self.below(start) else {
            return Err(damaged("its pickle sets items of something that is not a dict"));
        };
        let (pairs, odd) = self.stack[start..].as_chunks::<2>();
        if !odd.is_empty() {
            return Err(damaged("its pickle has a dict key without a value"));
        }
        self.made.dict_items.extend(pairs.iter().map(|&[key, value]| (dict, key, value)));
        self.stack.truncate(start);
        Ok(None)
    }

    fn arguments(&self, value: Value) -> Result<&[Value], Fault> {
        let Value::Tuple(range) = value else {
            return Err(damaged("its pickle calls a function without a tuple of arguments"));
        };
        Ok(range.of(&self.made.tuples))
    }

    /// What a listed function gives; no other function can be on the stack.
    fn call(&mut self, function: Value, arguments: Value) -> Result<Value, Fault> {
        let Value::Global(function) = function else {
            return Err(damaged("its pickle calls something that is not a function"));
        };
        let arguments = self.arguments(arguments)?;
        match (function, arguments) {
            (Global::OrderedDict, []) => Ok(Value::Dict(self.container())),
            (Global::OrderedDict, _) => Err(unsupported("it was written by Python 2")),
            (Global::RebuildTensor, [_, _, _, _, _, _, _]) => Ok(Value::Odd(OddTensor::LazyView)),
            (Global::RebuildTensor, &[Value::Storage(storage), offset, shape, strides, ..]) => {
                let storage = self.made.storages[storage as usize];
                self.tensor(storage, storage.number, offset, shape, strides)
            }
            (
                Global::RebuildTypedTensor,
                &[Value::Storage(storage), offset, shape, strides, _, _, Value::Global(Global::Number(number))],
            ) => {
                let storage = self.made.storages[storage as usize];
                self.tensor(storage, number, offset, shape, strides)
            }
            (Global::RebuildTypedTensor, [_, _, _, _, _, _, _, _]) => Ok(Value::Odd(OddTensor::LazyView)),
            (Global::RebuildParameter, &[tensor @ (Value::Tensor(_) | Value::Odd(_)), ..]) => Ok(tensor),
            // It never wraps itself, so this recurses once.
            (Global::RebuildFromType, &[Value::Global(inner), Value::Global(Global::Inert), inner_arguments, _])
                if inner != Global::RebuildFromType =>
            {
                self.call(Value::Global(inner), inner_arguments)
            }
            (Global::RebuildOdd(odd), _) => Ok(Value::Odd(odd)),
            (Global::Size, &[Value::Tuple(range)]) => Ok(Value::Tuple(range)),
            (Global::Inert, _) => Ok(Value::Other),
            _ => Err(damaged("its pickle calls a function with other arguments than PyTorch does")),
        }
    }

    fn tensor(
        &mut self,
        storage: Storage,
        number: &'static NumberType,
        offset: Value,
        shape: Value,
        strides: Value,
    ) -> Result<Value, Fault> {
        let Value::Int(offset @ 0..) = offset else { return Err(damaged("its pickle gives a tensor no valid offset")) };
        let (Value::Tuple(shape), Value::Tuple(strides)) = (shape, strides) else {
            return Err(damaged("its pickle gives a tensor no shape"));
        };
        let all_sizes = |range: Range| range.of(&self.made.tuples).iter().all(|value| matches!(value, Value::Int(0..)));
        if shape.len != strides.len || shape.len as usize > MAX_RANK || !all_sizes(shape) || !all_sizes(strides) {
            return Err(damaged(format!(
                "its pickle gives a tensor a shape of {} and strides of {} numbers",
                shape.len, strides.len
            )));
        }
        self.made.tensors.push(Tensor { storage, number, offset: offset as u64, shape, strides });
        Ok(Value::Tensor(self.made.tensors.len() as u32 - 1))
    }

    /// `("storage", class, key, device, element count)`; before PyTorch 1.6 a sixth is None unless it is a view.
    fn persistent(&mut self) -> Result<Value, Fault> {
        let id = self.pop()?;
        let (storage, view) = match *self.arguments(id)? {
            [kind, class, key, _, count] => ([kind, class, key, count], Value::Other),
            [kind, class, key, _, count, view] => ([kind, class, key, count], view),
            _ => return Err(damaged("its pickle names a storage with other fields than PyTorch")),
        };
        let [kind, Value::Global(Global::Number(number)), Value::Text(key), Value::Int(count @ 0..)] = storage else {
            return Err(damaged("its pickle names a storage with other fields than PyTorch"));
        };
        if !self.made.is_text(kind, "storage") || key.len as usize > MAX_NAME_BYTES {
            return Err(damaged("its pickle names something other than a storage"));
        }
        if view != Value::Other {
            return Err(unsupported("it has storages that are views of others, as PyTorch before 0.4 wrote"));
        }
        self.made.storages.push(Storage { key, number, count: count as u64 });
        Ok(Value::Storage(self.made.storages.len() as u32 - 1))
    }
}

fn find_global(module: &str, name: &str) -> Result<Global, Fault> {
    Global::find(module, name).ok_or_else(|| {
        let object: String = format!("{module}.{name}").chars().take(MAX_NAME_BYTES).collect();
        Fault::Unsafe(object.escape_debug().to_string())
    })
}
