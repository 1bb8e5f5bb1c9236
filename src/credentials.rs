//! Credentials: an estate names them, the operator's file says where they come from and to which hosts they may go.
