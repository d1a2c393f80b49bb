using System.Net;
using Gateway.Server.Options;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>Each kind of value: what it takes, what it shows, and what it says of a text that is none.</summary>
public class OptionKindTests
{
    [Theory]
    [InlineData("250ms", 250)]
    [InlineData("30s", 30_000)]
    [InlineData("1.5s", 1_500)]
    [InlineData("2m", 120_000)]
    [InlineData("1h", 3_600_000)]
    [InlineData("0.5d", 43_200_000)]
    public void A_duration_is_a_number_and_a_unit(string text, double milliseconds)
    {
        Assert.True(OptionKinds.TryParseDuration(text, out var value, out _));
        Assert.Equal(milliseconds, value.TotalMilliseconds);
    }

    [Theory]
    [InlineData("10 parsecs")]
    [InlineData("30")]
    [InlineData("30 s")]
    [InlineData("s")]
    [InlineData("-1s")]
    [InlineData("1,5s")]
    [InlineData("1.2.3s")]
    [InlineData(".s")]
    [InlineData("")]
    [InlineData("3S")]
    [InlineData("1ns")]
    [InlineData("99999999999999999999999999s")]
    public void What_is_no_duration_is_told_how_one_looks(string text)
    {
        Assert.False(OptionKinds.TryParseDuration(text, out _, out var error));
        Assert.Equal($"'{text}' is not a duration: a number and one of us, ms, s, m, h, d, as in 30s", error);
    }

    [Theory]
    [InlineData("1B", 1)]
    [InlineData("64KiB", 65_536)]
    [InlineData("1.5KiB", 1_536)]
    [InlineData("128MiB", 134_217_728)]
    [InlineData("2GiB", 2_147_483_648)]
    public void A_size_is_a_number_and_a_unit(string text, long bytes)
    {
        Assert.True(OptionKinds.TryParseSize(text, out var value, out _));
        Assert.Equal(bytes, value);
    }

    [Theory]
    [InlineData("64")]
    [InlineData("64KB")]
    [InlineData("64 KiB")]
    [InlineData("64kib")]
    [InlineData("many")]
    [InlineData("")]
    public void What_is_no_size_is_told_how_one_looks(string text)
    {
        Assert.False(OptionKinds.TryParseSize(text, out _, out var error));
        Assert.Equal($"'{text}' is not a size: a number and one of B, KiB, MiB, GiB, as in 64KiB", error);
    }

    [Fact]
    public void A_size_is_whole_bytes()
    {
        Assert.False(OptionKinds.TryParseSize("1.5B", out _, out var error));
        Assert.Equal("'1.5B' is not a whole number of bytes", error);
    }

    [Theory]
    [InlineData("127.0.0.1:5240", "127.0.0.1", 5240)]
    [InlineData("0.0.0.0:0", "0.0.0.0", 0)]
    [InlineData("[::1]:65535", "::1", 65535)]
    public void An_endpoint_is_an_address_and_a_port(string text, string address, int port)
    {
        Assert.True(OptionKinds.TryParseEndpoint(text, out var value, out _));
        Assert.Equal(new IPEndPoint(IPAddress.Parse(address), port), value);
    }

    [Theory]
    [InlineData("5240")]
    [InlineData("127.0.0.1")]
    [InlineData("127.1:5240")]
    [InlineData("localhost:5240")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:")]
    [InlineData("127.0.0.1:-1")]
    [InlineData("::1:5240")]
    [InlineData("[127.0.0.1]:5240")]
    [InlineData("")]
    public void What_is_no_endpoint_is_told_how_one_looks(string text)
    {
        Assert.False(OptionKinds.TryParseEndpoint(text, out _, out var error));
        Assert.Equal($"'{text}' is not an endpoint: an IP address and a port, as in 127.0.0.1:5240 or [::1]:5240", error);
    }

    [Theory]
    [InlineData("reactors", "0", "'0' is too small: at least 1")]
    [InlineData("reactors", "65", "'65' is too large: at most 64")]
    [InlineData("max-connections", "99999999999999999999999", "'99999999999999999999999' is too large: at most 16000000")]
    [InlineData("max-handshakes", "-1", "'-1' is not a whole number, as in 16384")]
    [InlineData("max-handshakes", "1.5", "'1.5' is not a whole number, as in 16384")]
    [InlineData("max-handshakes", "", "'' is not a whole number, as in 16384")]
    [InlineData("max-body", "1MiB", "'1MiB' is too large: at most 512KiB")]
    [InlineData("segment-size", "100MiB", "'100MiB' is not a power of two, as 64MiB and 128MiB are")]
    [InlineData("idle-timeout", "10ms", "'10ms' is too small: at least 1s")]
    [InlineData("idle-timeout", "8d", "'8d' is too large: at most 7d")]
    [InlineData("durability", "maybe", "'maybe' is none of fsync, os")]
    [InlineData("pin-reactors", "true", "'true' is none of on, off")]
    [InlineData("log-level", "loud", "'loud' is none of trace, debug, information, warning, error, critical")]
    [InlineData("log-level", "2", "'2' is none of trace, debug, information, warning, error, critical")]
    [InlineData("data", "", "a path is missing")]
    public void A_wrong_value_gets_an_error_that_says_what_would_be_right(string name, string text, string expected)
    {
        Assert.False(OptionTable.Find(name)!.TryParse(text, out _, out var error));
        Assert.Equal(expected, error);
    }

    public static TheoryData<string> Names => [.. OptionTable.All.Select(o => o.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_default_is_valid_and_shown_as_it_is_written(string name)
    {
        var option = OptionTable.Find(name)!;
        Assert.True(option.TryParse(option.DefaultText, out var value, out var error), error);
        Assert.Equal(option.DefaultText, option.Format(value!));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Both_ends_of_a_range_are_valid(string name)
    {
        var option = OptionTable.Find(name)!;
        foreach (var end in option.Range.Split(',')[0].Split(" to ", StringSplitOptions.RemoveEmptyEntries))
            Assert.True(option.TryParse(end, out _, out var error), error);
    }
}
