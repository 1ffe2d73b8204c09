//! Nothing: the tests of this package hold our bytes against libraries that others wrote.
