using Gateway.Server.Texts;
using Xunit;

namespace Gateway.Tests.Health;

/// <summary>Figures as a person reads them: two or three digits at each edge of a size.</summary>
public sealed class FiguresTests
{
    [Theory]
    [InlineData(0, "0")]
    [InlineData(0.5, "0.5")]
    [InlineData(9.94, "9.9")]
    [InlineData(9.96, "10")]
    [InlineData(9_999, "9,999")]
    [InlineData(9_999.6, "10 k")]
    [InlineData(31_400, "31 k")]
    [InlineData(600_000, "600 k")]
    [InlineData(999_600, "1 M")]
    [InlineData(1_540_000, "1.5 M")]
    [InlineData(99_960_000, "100 M")]
    [InlineData(2_500_000_000, "2.5 G")]
    public void A_count_has_a_word_for_its_size(double value, string text) => Assert.Equal(text, Figures.Count(value));

    [Theory]
    [InlineData(0, "0 s")]
    [InlineData(0.0012, "1.2 ms")]
    [InlineData(0.25, "250 ms")]
    [InlineData(9.9, "9.9 s")]
    [InlineData(41, "41 s")]
    [InlineData(119.6, "2 min")]
    [InlineData(7_200, "2 h")]
    [InlineData(172_800, "2 d")]
    [InlineData(double.PositiveInfinity, "never")]
    public void A_time_has_the_unit_a_person_would_say(double seconds, string text) => Assert.Equal(text, Figures.Time(seconds));

    [Theory]
    [InlineData(1023, "1023 B")]
    [InlineData(1024, "1 KiB")]
    [InlineData(1_572_864, "1.5 MiB")]
    [InlineData(2_684_354_560, "2.5 GiB")]
    public void Bytes_go_by_powers_of_1024(double bytes, string text) => Assert.Equal(text, Figures.Bytes(bytes));

    [Theory]
    [InlineData(2, "seconds", "2 s")]
    [InlineData(2048, "bytes", "2 KiB")]
    [InlineData(12_000, "sends/s", "12 k sends/s")]
    public void A_value_goes_by_its_unit(double value, string unit, string text) => Assert.Equal(text, Figures.Measured(value, unit));
}
