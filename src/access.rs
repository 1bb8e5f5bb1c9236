//! What the operator allows an estate to reach: files outside its root, addresses on the network (rule 8).
