"""The command line: `main` finds a verb's module, `parser` reads its options; one file a command family."""
