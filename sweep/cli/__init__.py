"""The command line: arguments in, tables and sentences out."""
