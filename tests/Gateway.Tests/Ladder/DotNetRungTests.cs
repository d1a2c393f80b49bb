using Gateway.Tests.C10M;
using Xunit;

namespace Gateway.Tests.Ladder;

/// <summary>The .NET rungs do what the C rungs do.</summary>
public class DotNetRungTests
{
    [Theory]
    [InlineData("transport-relay")]
    [InlineData("sockets-relay")]
    [InlineData("kestrel-relay")]
    public void A_relay_delivers_every_message_once_and_in_order_and_tells_its_sender(string name)
    {
        using var tool = new LoadTool();
        using var rung = RungProcess.DotNet(name, tool.PathOf("secret"));
        RungAssert.RelaysAll(tool, rung.Port);
        Assert.Equal(0, rung.Stop());
    }

    [Fact]
    public void The_transports_echo_returns_everything()
    {
        using var tool = new LoadTool();
        using var rung = RungProcess.DotNet("transport-echo", tool.PathOf("secret"));
        RungAssert.EchoesAll(tool, rung.Port);
        Assert.Equal(0, rung.Stop());
    }
}
