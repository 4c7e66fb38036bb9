//! `node/`: the node: roles, job life cycle, worker supervision, storage, HTTP server.
//!
//! | module | what |
//! |---|---|
//! | [`http`] | the server of the node's API, over any [`Backend`](http::Backend) |

pub mod http;
