using System.Threading.Channels;

namespace Gateway.Client;

/// <summary>Wakes one waiter, now or at its next wait; several signals are one. Any thread sets it, one waits.</summary>
internal sealed class Signal
{
    private readonly Channel<byte> _set = Channel.CreateBounded<byte>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    public void Set() => _set.Writer.TryWrite(0);

    public ValueTask<byte> WaitAsync(CancellationToken cancellationToken) => _set.Reader.ReadAsync(cancellationToken);
}
