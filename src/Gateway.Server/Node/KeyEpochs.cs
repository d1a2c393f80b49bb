using System.Collections.Concurrent;
using Gateway.Messaging;
using Gateway.Protocol;

namespace Gateway.Server.Node;

/// <summary>
/// The devices whose key was ever revoked, and the keys of all. Any thread. An epoch is set here only after its record is durable,
/// so a device that got a new key never finds the old one valid again after a crash.
/// </summary>
internal sealed class KeyEpochs(NodeKeys keys) : IDeviceKeys
{
    private readonly ConcurrentDictionary<ulong, uint> _epochs = new();

    public uint CurrentEpoch(Address device) => _epochs.GetValueOrDefault(device.Value);

    public void Derive(Address device, uint epoch, Span<byte> key) => keys.DeriveDeviceKey(device, epoch, key);

    /// <summary>Epochs only rise, whatever order the records come in.</summary>
    public void Set(ulong device, uint epoch) => _epochs.AddOrUpdate(device, epoch, (_, known) => Math.Max(known, epoch));
}
