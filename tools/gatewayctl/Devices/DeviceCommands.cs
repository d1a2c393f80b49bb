using System.CommandLine;
using System.Security.Cryptography;
using Gateway.Ctl.Operator;
using Gateway.Protocol;

namespace Gateway.Ctl.Devices;

/// <summary>
/// <c>device add</c> and <c>device revoke</c>. The node says which epoch a key must have; the key is derived here from the secret, so that
/// none travels.
/// </summary>
internal static class DeviceCommands
{
    public static Command Create(CommonOptions common, CtlEnvironment environment) => new("device", "keys of devices")
    {
        Add(common, environment),
        Revoke(common, environment),
    };

    private static Command Add(CommonOptions common, CtlEnvironment environment)
    {
        var address = CommonOptions.AddressArgument();
        var file = new Option<string?>("--key-file") { Description = "where to write; by default ADDRESS.key in the working folder", HelpName = "FILE" };
        var force = new Option<bool>("--force") { Description = "replace an existing key file" };
        var command = new Command("add", "writes a device's key file (mode 0600) and prints its path") { address, file, force };
        command.SetAction(async (parse, cancel) =>
        {
            var device = parse.GetValue(address);
            var name = parse.GetValue(file) ?? DeviceKeyFile.NameOf(device);
            var secret = common.SecretOf(parse, environment);
            using var node = new OperatorClient(parse.GetValue(common.Node)!, secret);
            var epoch = (uint)(await node.GetAsync($"/ops/devices/{OperatorClient.InPath(device)}", cancel))["epoch"]!;
            var key = new byte[DeviceKey.KeyBytes];
            DeviceKey.Derive(secret, device, epoch, key);
            DeviceKeyFile.Write(environment.Resolve(name), new KeyFile(device, epoch, key), parse.GetValue(force));
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(secret);
            common.OutputOf(parse, environment).Write(new { address = device.ToString(), epoch, keyFile = name }, () => name);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Revoke(CommonOptions common, CtlEnvironment environment)
    {
        var address = CommonOptions.AddressArgument();
        var command = new Command("revoke", "makes every key given to a device so far worthless and closes its session") { address };
        command.SetAction(async (parse, cancel) =>
        {
            using var node = common.OperatorOf(parse, environment);
            var answer = await node.PostAsync($"/ops/devices/{OperatorClient.InPath(parse.GetValue(address))}/revoke", cancel);
            common.OutputOf(parse, environment).Write(
                answer, () => $"{answer["address"]}: keys before epoch {answer["epoch"]} no longer log in; device add --force makes a new one");
            return ExitCode.Ok;
        });
        return command;
    }
}
