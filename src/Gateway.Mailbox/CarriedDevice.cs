namespace Gateway.Mailbox;

/// <summary>
/// A device of which something stands in a segment that is about to go: origins of its messages, its WINDOW, its DEVICE record. Its owner
/// appends WINDOW and DEVICE records that say what it knows, so that nothing of it is needed from there any more (rule 2).
/// </summary>
/// <param name="Device">Whose.</param>
/// <param name="Incarnation">The latest found there; 0 when there is only a key epoch.</param>
/// <param name="Number">The highest found there of that incarnation. While that or a lower one is in flight, a WINDOW would not speak of it.</param>
/// <param name="HasKeyEpoch">A DEVICE record is there.</param>
public readonly record struct CarriedDevice(ulong Device, uint Incarnation, ulong Number, bool HasKeyEpoch);
