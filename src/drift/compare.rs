//! Values compared by meaning (rule 4).
