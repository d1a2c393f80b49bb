using System.Text;
using Gateway.Ctl;
using Gateway.Ctl.Replay;
using Xunit;

namespace Gateway.Tests.Ctl;

/// <summary>Lines of a file, whatever the size of the reads.</summary>
public class LineReaderTests
{
    [Theory]
    [InlineData("", new string[0])]
    [InlineData("\n", new[] { "" })]
    [InlineData("a", new[] { "a" })]
    [InlineData("a\n", new[] { "a" })]
    [InlineData("a\n\nb", new[] { "a", "", "b" })]
    [InlineData("a\r\nb\r\n", new[] { "a\r", "b\r" })]
    public void A_line_ends_with_a_line_feed_or_the_file(string text, string[] expected)
    {
        Assert.Equal(expected, Lines(Encoding.UTF8.GetBytes(text), 7));
    }

    [Fact]
    public void Lines_are_whole_wherever_a_read_ends()
    {
        var expected = Enumerable.Range(0, 200).Select(i => new string((char)('a' + i % 26), i * 37 % 900)).ToArray();
        var bytes = Encoding.UTF8.GetBytes(string.Join('\n', expected) + "\n");
        foreach (var chunk in (int[])[1, 2, 3, 64, 1000, bytes.Length]) Assert.Equal(expected, Lines(bytes, chunk));
    }

    [Fact]
    public void A_line_longer_than_the_buffer_is_whole()
    {
        var line = new string('x', 300_000);

        Assert.Equal([line, "y"], Lines(Encoding.UTF8.GetBytes(line + "\ny"), 10_000));
    }

    [Fact]
    public void Bytes_that_are_no_text_come_out_as_they_went_in()
    {
        using var reader = new LineReader(new MemoryStream([0xFF, 0x00, (byte)'\n', 0xC3]), 100);

        Assert.Equal([0xFF, 0x00], reader.Read()!);
        Assert.Equal([0xC3], reader.Read()!);
        Assert.Null(reader.Read());
    }

    [Fact]
    public void Skipping_counts_what_was_there()
    {
        using var reader = new LineReader(new MemoryStream("a\nb\nc"u8.ToArray()), 100);

        Assert.Equal(2, reader.Skip(2));
        Assert.Equal("c"u8.ToArray(), reader.Read());
        Assert.Equal(0, reader.Skip(5));
        Assert.Equal(3, reader.Lines);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_line_longer_than_a_message_is_refused_by_its_number(bool ended)
    {
        using var reader = new LineReader(new MemoryStream(Encoding.UTF8.GetBytes("short\n" + new string('x', 101) + (ended ? "\n" : ""))), 100);
        reader.Read();

        var error = Assert.Throws<CtlException>(() => reader.Read());
        Assert.Contains("line 2 ", error.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Usage, error.ExitCode);
    }

    private static List<string> Lines(byte[] bytes, int chunk)
    {
        using var reader = new LineReader(new ChunkedStream(bytes, chunk), 1_000_000);
        var lines = new List<string>();
        while (reader.Read() is { } line) lines.Add(Encoding.UTF8.GetString(line));
        return lines;
    }

    private sealed class ChunkedStream(byte[] bytes, int chunk) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, chunk));
    }
}
