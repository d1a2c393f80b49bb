namespace Gateway.Simulation;

/// <summary>Told what a recovered log holds besides pending entries, in log order: the same three streams as the node's engine gives.</summary>
public interface ILogRecovery
{
    void OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt);

    /// <summary>Of every message and every receipt that a device sent.</summary>
    void OnOrigin(ulong device, uint incarnation, ulong number, ulong low);

    void OnDevice(ulong device, uint keyEpoch);
}
