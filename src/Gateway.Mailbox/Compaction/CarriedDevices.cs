using System.Runtime.InteropServices;

namespace Gateway.Mailbox.Compaction;

/// <summary>The devices of which something stands in the segment under the compactor's hands. One thread; as long as a segment has room for.</summary>
internal sealed class CarriedDevices
{
    private readonly Dictionary<ulong, CarriedDevice> _devices = [];

    public Dictionary<ulong, CarriedDevice>.ValueCollection All => _devices.Values;

    /// <summary>An origin, or with number 0 a WINDOW.</summary>
    public void NoteNumber(ulong device, uint incarnation, ulong number)
    {
        ref var known = ref Of(device);
        if (incarnation < known.Incarnation) return;
        known = known with { Incarnation = incarnation, Number = incarnation > known.Incarnation ? number : Math.Max(known.Number, number) };
    }

    public void NoteKeyEpoch(ulong device)
    {
        ref var known = ref Of(device);
        known = known with { HasKeyEpoch = true };
    }

    public void Clear() => _devices.Clear();

    private ref CarriedDevice Of(ulong device)
    {
        ref var known = ref CollectionsMarshal.GetValueRefOrAddDefault(_devices, device, out var exists);
        if (!exists) known = new CarriedDevice(device, 0, 0, false);
        return ref known;
    }
}
