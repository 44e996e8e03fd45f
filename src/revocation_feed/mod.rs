//! How revocations come from the store into the memory of this process, and what is kept of them on disk.
