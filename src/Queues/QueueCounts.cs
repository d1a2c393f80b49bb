// What every part says of each of its queues: the same tuple everywhere, so that no part needs another's type. Depth, capacity (0: no bound
// of its own) and high mark in entries; entries in and out since the start; how long the oldest has been in it (zero when it is empty).
// SEAMS.md, "Queues".
global using QueueCounts = (string Name, long Depth, long Capacity, long HighMark, long In, long Out, System.TimeSpan OldestAge);
