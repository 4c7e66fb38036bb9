//! PyTorch `.bin` files, read without executing anything.
//!
//! `torch.save` writes a zip of stored entries: `NAME/data.pkl`, a pickle that describes the tensors, and one `NAME/data/KEY` for
//! each storage (the numbers, shared by all views of them). Before PyTorch 1.6 it wrote the same parts one after another
//! without the zip. Both are read: `archive` finds the entries, `unpickler` runs the pickle's opcodes on plain values that can only
//! be what `globals` lists, `file` turns the result into named tensors and reads them by seeking.
//!
//! A pickle is a program, so nothing here trusts it: a Python name outside the list ends the reading at once, nothing recurses,
//! repeating a value copies a handle, and each table has a bound. Whatever the file says, opening it takes no more memory than
//! the file's size plus about 16 MiB (measured; `MAX_VALUES` sets it), and reading a tensor at most twice the file's size.

mod archive;
mod bounded_file;
mod fault;
mod file;
mod globals;
#[cfg(test)]
mod tests;
mod unpickled;
mod unpickler;

pub(super) use file::PickleFile;
