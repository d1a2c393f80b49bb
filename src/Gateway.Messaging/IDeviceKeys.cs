using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>Where the doorman gets the keys that devices prove. Read from every reactor's thread.</summary>
public interface IDeviceKeys
{
    /// <summary>The device's current key epoch; 0 unless it was ever revoked.</summary>
    uint CurrentEpoch(Address device);

    /// <summary>Derives the 32-byte key of a device at an epoch.</summary>
    void Derive(Address device, uint epoch, Span<byte> key);
}
