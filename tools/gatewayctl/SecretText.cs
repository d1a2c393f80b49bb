using Gateway.Protocol;

namespace Gateway.Ctl;

/// <summary>Reads the texts that hold keys: the node's secret and a device's key file. No error quotes what a file holds.</summary>
internal static class SecretText
{
    private const int LongestBytes = 4096;

    /// <summary>The node's secret, 32 bytes.</summary>
    public static byte[] ReadSecret(string path)
    {
        var text = Read(path, "the node's secret", "--secret names the file, DATA/secret of the node");
        return NodeSecret.TryParse(text, out var secret, out var error) ? secret : throw new CtlException(ExitCode.Usage, $"{path}: {error}");
    }

    /// <summary>A device's key file.</summary>
    public static KeyFile ReadKey(string path) => ParseKey(Read(path, "the key file", "gatewayctl device add makes one"), path);

    /// <summary>The text of a key file; <paramref name="origin"/> is where it came from, for the error.</summary>
    public static KeyFile ParseKey(string text, string origin) =>
        KeyFile.TryParse(text, out var key, out var error) ? key : throw new CtlException(ExitCode.Usage, $"{origin}: {error}");

    private static string Read(string path, string what, string hint)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.Exists && file.Length > LongestBytes) throw new CtlException(ExitCode.Usage, $"{path}: too long to be {what}");
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var why = e is FileNotFoundException or DirectoryNotFoundException ? "there is no such file" : e.Message;
            throw new CtlException(ExitCode.Usage, $"{path}: {what} cannot be read: {why}; {hint}", e);
        }
    }
}
