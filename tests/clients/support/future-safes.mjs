// Prints the addresses that Safes will have, as a list in JSON: of as many as its argument says.
// Their contracts are deployed for that. The last one has another module.
import { deploySafe, safe, withOtherModule } from "./safe.mjs";

const contracts = await deploySafe();
const numbers = [...Array(Number(process.argv[2])).keys()];
const safes = await Promise.all(numbers.map((number) => safe(number, contracts)));
safes.push(await safe(0, await withOtherModule(contracts)));
console.log(JSON.stringify(safes.map(({ address }) => address)));
