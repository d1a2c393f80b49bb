using System.Runtime.CompilerServices;
using Gateway.Transport;

namespace Gateway.Load.Devices;

/// <summary>
/// Whose a connection is, by the slot that it occupies in the transport. For the reactor's thread. Invariant: a slot names the connection
/// that was added last, and nobody once that one was removed; so an id kept too long finds no device.
/// </summary>
internal sealed class DeviceSlots
{
    private Place[] _places = new Place[1024];

    private struct Place
    {
        public ConnectionId Connection;
        public int Device;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryDeviceOf(ConnectionId c, out int device)
    {
        if (c.Slot >= (uint)_places.Length)
        {
            device = -1;
            return false;
        }

        ref var place = ref _places[c.Slot];
        device = place.Device;
        return place.Connection == c;
    }

    public void Add(ConnectionId c, int device)
    {
        if (c.Slot >= (uint)_places.Length) Array.Resize(ref _places, (int)Math.Max(c.Slot + 1, 2 * (uint)_places.Length));
        _places[c.Slot] = new Place { Connection = c, Device = device };
    }

    public void Remove(ConnectionId c)
    {
        if (TryDeviceOf(c, out _)) _places[c.Slot] = default;
    }
}
