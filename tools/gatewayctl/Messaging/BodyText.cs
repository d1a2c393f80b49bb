using System.Text;

namespace Gateway.Ctl.Messaging;

/// <summary>A message's body for a terminal: it comes from anybody, so nothing in it may move the cursor or change the screen.</summary>
internal static class BodyText
{
    /// <summary>UTF-8, with control characters and what is no UTF-8 replaced by U+FFFD, and line feeds by a blank.</summary>
    public static string Printable(ReadOnlySpan<byte> body)
    {
        var text = new StringBuilder(Encoding.UTF8.GetString(body));
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is '\n' or '\t') text[i] = ' ';
            // Bidirectional overrides reorder what stands around them: U+202A to U+202E, U+2066 to U+2069.
            else if (char.IsControl(text[i]) || text[i] is (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069')) text[i] = '\uFFFD';
        }

        return text.ToString();
    }
}
