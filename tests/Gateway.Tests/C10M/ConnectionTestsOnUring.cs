using Gateway.Tests.Transport;
using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>A load whose sockets are direct descriptors: one process, whatever their number.</summary>
public class ConnectionTestsOnUring
{
    [OnBackendTheory]
    [InlineData("1")]
    [InlineData("2")]
    public void Each_connection_sends_a_message_to_its_partner_and_gets_its_double_check(string threads)
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("connect", "--connections", "600", "--exchange", "1", "--hold", "0s", "--io", "uring", "--threads", threads);

        Assert.Equal(600, run["double_checks"]);
        Assert.Equal(600, run["alive"]);
        Assert.Equal(1, run["processes"]);
        load.AssertLedger(600);
    }
}
