//! The node: roles, job life cycle, worker supervision, storage, HTTP server
