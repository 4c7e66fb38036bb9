//! The node's API: types, error codes, and a client
