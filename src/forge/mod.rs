//! Change requests as pull requests: their life, written once, and the forges that carry it.
