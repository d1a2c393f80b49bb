namespace Gateway.Messaging;

/// <summary>A device of which something stands in a part of the log that is about to go, and whose send window is recorded again for that (rule 2).</summary>
/// <param name="Device">Whose.</param>
/// <param name="Incarnation">The latest found there; 0 when nothing of a window is there.</param>
/// <param name="Number">The highest found there of that incarnation.</param>
public readonly record struct CarriedWindow(ulong Device, uint Incarnation, ulong Number);
