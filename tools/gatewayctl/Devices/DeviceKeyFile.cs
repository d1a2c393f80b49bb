using System.Text;
using Gateway.Protocol;

namespace Gateway.Ctl.Devices;

/// <summary>Where a device's key file lies and how it is written: readable by its owner alone, whole or not at all.</summary>
internal static class DeviceKeyFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>15550001 → 15550001.key, 15550001:3 → 15550001-3.key, service/7 → service-7.key</summary>
    public static string NameOf(Address address) => address.ToString().Replace(':', '-').Replace('/', '-') + ".key";

    /// <summary>Writes the file; an existing one is replaced only when <paramref name="replace"/> says so.</summary>
    public static void Write(string path, KeyFile key, bool replace)
    {
        var temporary = $"{path}.{Path.GetRandomFileName()}.new";
        try
        {
            // Said before a key is written anywhere; the move below decides.
            if (!replace && File.Exists(path)) throw Exists(path, null);
            using (var stream = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly }))
            {
                stream.Write(Encoding.ASCII.GetBytes(key.Format()));
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, replace);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (File.Exists(temporary)) File.Delete(temporary);
            throw File.Exists(path) && !replace ? Exists(path, e) : new CtlException(ExitCode.Local, $"{path}: the key file cannot be written: {e.Message}", e);
        }
    }

    private static CtlException Exists(string path, Exception? cause) =>
        new(ExitCode.Local, $"{path}: there is a key file already; --force replaces it", cause);
}
