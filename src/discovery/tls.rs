//! The source `tls`: certificates of endpoints and files.
