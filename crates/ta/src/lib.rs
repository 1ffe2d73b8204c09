//! ta
