//! Tests of the whole: real compilers, damaged files, every format.
