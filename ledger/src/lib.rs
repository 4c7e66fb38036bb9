//! Accounts, stake, escrow, trust, settlement: a pure state machine and its signed journal
