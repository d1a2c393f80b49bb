using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Options that cannot work are refused with the name and the range.</summary>
public class OptionsTests
{
    public static TheoryData<ReactorGroupOptions, string> Bad => new()
    {
        { new ReactorGroupOptions { Reactors = 0 }, "Reactors is 0; it must be from 1 to 256." },
        { new ReactorGroupOptions { TickMs = 1001 }, "TickMs is 1001; it must be from 1 to 1000." },
        { new ReactorGroupOptions { MaxConnections = -1 }, "MaxConnections is -1; it must be from 1 to 16777216." },
        { new ReactorGroupOptions { LingerTimeoutMs = 0 }, "LingerTimeoutMs is 0; it must be from 1 to 3600000." },
        { new ReactorGroupOptions { ReplySlotBytes = 5000 }, "ReplySlotBytes is 5000; it must be from 1 to 4096." },
        { new ReactorGroupOptions { ReactorSoftBufferBytes = 10, ReactorHardBufferBytes = 9 }, "ReactorHardBufferBytes is 9; it must be from 10 to 9223372036854775807." },
        { new ReactorGroupOptions { OutputBufferBytes = 4096, MaxSpanBytes = 4095 }, "MaxSpanBytes is 4095; it must be from 4096 to 67108864." },
        { new ReactorGroupOptions { ThreadName = " " }, "ThreadName is empty." },
    };

    [Theory]
    [MemberData(nameof(Bad), DisableDiscoveryEnumeration = true)]
    public void A_bad_option_is_named_with_its_range(ReactorGroupOptions options, string message)
    {
        Assert.Equal(message, Assert.Throws<ArgumentException>(options.Validate).Message);
        Assert.Throws<ArgumentException>(() => new ReactorGroup(options, r => new TestHandler(r), _ => { }, TimeProvider.System));
    }

    [Fact]
    public void The_defaults_are_valid()
    {
        new ReactorGroupOptions().Validate();
    }

    [Fact]
    public void A_group_of_eight_keeps_little_managed_memory_for_its_lanes()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        using var group = new ReactorGroup(new ReactorGroupOptions { Reactors = 8 }, r => new TestHandler(r), _ => { }, TimeProvider.System);
        // 64 pairs of reactors; what each may hold in flight is over half a megabyte.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
    }

    [Fact]
    public void A_pinned_reactor_runs_on_its_core()
    {
        using var group = new TestGroup<EchoHandler>(new ReactorGroupOptions { Reactors = 1, TickMs = 10, PinThreads = true }, r => new EchoHandler(r));
        var status = group.On(0, (_, _) => File.ReadAllText("/proc/thread-self/status"));
        Assert.Contains("Cpus_allowed_list:\t0\n", status, StringComparison.Ordinal);
        Assert.Contains("Name:\treactor 0\n", status, StringComparison.Ordinal);
    }
}
