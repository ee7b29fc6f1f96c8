// Package dataset knows what pictures there are: folders, archives and built-in
// sets, their classes and splits, what is wrong with them, and how to read them
// ahead of the engine.
//
// It turns bytes into pixels (Decode) and samples into batches (Loader). It
// knows no networks, and changes none of the user's files.
package dataset
