using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>A connected device as an operator sees it.</summary>
/// <param name="Device">Whose session it is.</param>
/// <param name="Connection">The connection's id on its reactor.</param>
/// <param name="Epoch">The session's epoch.</param>
/// <param name="LoggedInAt">Seconds since 1970.</param>
/// <param name="Unacknowledged">Entries delivered and not acknowledged.</param>
/// <param name="UnsentBytes">Output that the kernel has not taken.</param>
public readonly record struct SessionStatus(Address Device, ulong Connection, uint Epoch, uint LoggedInAt, int Unacknowledged, int UnsentBytes);
